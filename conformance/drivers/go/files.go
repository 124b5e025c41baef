package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"connectrpc.com/connect"

	"atoll.example/conformance/gen/filesystem"
	"atoll.example/conformance/gen/filesystem/filesystemconnect"
)

func (d *driver) filesystem(s *sandbox) filesystemconnect.FilesystemClient {
	return filesystemconnect.NewFilesystemClient(d.envd(s, "user"), d.host(s, 49983))
}

// transfer is one call of /files: a raw body up, or the content down.
func (d *driver) transfer(ctx context.Context, s *sandbox, method, path string, body []byte) ([]byte, error) {
	address := d.host(s, 49983) + "/files?" + url.Values{"path": {path}, "username": {"user"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == "POST" {
		request.Header.Set("Content-Type", "application/octet-stream")
	}
	response, err := d.envd(s, "user").Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != 200 {
		err = fmt.Errorf("%s %s: status %d: %s", method, path, response.StatusCode, answer)
	}
	return answer, err
}

var fileOperations = []operation{
	{"files-text", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		if _, err := d.transfer(ctx, s, "POST", "/home/user/go/text.txt", []byte("grüezi\n")); err != nil {
			return err
		}
		back, err := d.transfer(ctx, s, "GET", "/home/user/go/text.txt", nil)
		return want(err, string(back), "grüezi\n")
	}},
	{"files-large", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		content := bytes.Repeat([]byte("0123456789abcdef"), 1_250_000)
		if _, err := d.transfer(ctx, s, "POST", "/home/user/go/large", content); err != nil {
			return err
		}
		back, err := d.transfer(ctx, s, "GET", "/home/user/go/large", nil)
		if err == nil && !bytes.Equal(back, content) {
			err = fmt.Errorf("%d bytes came back changed", len(back))
		}
		return err
	}},
	{"files-list", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		if _, err := d.transfer(ctx, s, "POST", "/home/user/go-list/a/b.txt", []byte("four")); err != nil {
			return err
		}
		listed, err := d.filesystem(s).ListDir(ctx, connect.NewRequest(&filesystem.ListDirRequest{Path: "/home/user/go-list", Depth: 2}))
		if err != nil {
			return err
		}
		paths := ""
		for _, entry := range listed.Msg.GetEntries() {
			paths += entry.GetPath() + " "
		}
		return want(nil, paths, "/home/user/go-list/a /home/user/go-list/a/b.txt ")
	}},
	{"files-info", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		client := d.filesystem(s)
		stat, err := client.Stat(ctx, connect.NewRequest(&filesystem.StatRequest{Path: "/etc/passwd"}))
		if err != nil {
			return err
		}
		entry := stat.Msg.GetEntry()
		if entry.GetType() != filesystem.FileType_FILE_TYPE_FILE || entry.GetOwner() != "root" || entry.GetMode() != 0o644 {
			return fmt.Errorf("entry %v", entry)
		}
		_, err = client.Stat(ctx, connect.NewRequest(&filesystem.StatRequest{Path: "/nothing/here"}))
		return want(nil, connect.CodeOf(err).String(), "not_found")
	}},
	{"files-make-dir", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		client := d.filesystem(s)
		request := &filesystem.MakeDirRequest{Path: "/home/user/go-made/deep"}
		if _, err := client.MakeDir(ctx, connect.NewRequest(request)); err != nil {
			return err
		}
		_, err = client.MakeDir(ctx, connect.NewRequest(request))
		return want(nil, connect.CodeOf(err).String(), "already_exists")
	}},
	{"files-rename", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		if _, err := d.transfer(ctx, s, "POST", "/home/user/go-old", []byte("moved")); err != nil {
			return err
		}
		request := &filesystem.MoveRequest{Source: "/home/user/go-old", Destination: "/home/user/go-new"}
		if _, err := d.filesystem(s).Move(ctx, connect.NewRequest(request)); err != nil {
			return err
		}
		back, err := d.transfer(ctx, s, "GET", "/home/user/go-new", nil)
		return want(err, string(back), "moved")
	}},
	{"files-remove", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		for range 2 {
			if _, err := d.filesystem(s).Remove(ctx, connect.NewRequest(&filesystem.RemoveRequest{Path: "/home/user/go-new"})); err != nil {
				return err
			}
		}
		return nil
	}},
	{"watch", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		stream, err := d.filesystem(s).WatchDir(ctx, connect.NewRequest(&filesystem.WatchDirRequest{Path: "/home/user"}))
		if err != nil {
			return err
		}
		defer stream.Close()
		for stream.Receive() {
			switch event := stream.Msg().GetEvent().(type) {
			case *filesystem.WatchDirResponse_Start:
				if _, err := d.transfer(ctx, s, "POST", "/home/user/go-watched", []byte("x")); err != nil {
					return err
				}
			case *filesystem.WatchDirResponse_Filesystem:
				if event.Filesystem.GetName() == "go-watched" && event.Filesystem.GetType() == filesystem.EventType_EVENT_TYPE_CREATE {
					return nil
				}
			}
		}
		return fmt.Errorf("the stream ended before the event: %w", stream.Err())
	}},
	{"files-errors", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		if _, err := d.transfer(ctx, s, "GET", "/nothing/here", nil); err == nil {
			return fmt.Errorf("a missing file must not be read")
		}
		return nil
	}},
}
