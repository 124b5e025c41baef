package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"atoll.example/conformance/gen/process"
	"atoll.example/conformance/gen/process/processconnect"
)

// dialect adds what the Go client puts on every envd request: Basic auth, and the token even when it is empty.
type dialect struct {
	user, token string
}

func (d dialect) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(d.user+":")))
	request.Header["X-Access-Token"] = []string{d.token}
	request.Header.Set("X-User-ID", d.user)
	return http.DefaultTransport.RoundTrip(request)
}

func (d *driver) envd(s *sandbox, user string) *http.Client {
	return &http.Client{Transport: dialect{user: user, token: s.EnvdAccessToken}}
}

func (d *driver) processes(s *sandbox, user string) processconnect.ProcessClient {
	return processconnect.NewProcessClient(d.envd(s, user), d.host(s, 49983))
}

type result struct {
	pid            uint32
	stdout, stderr string
	exitCode       int32
	status         string
}

// run starts a command, optionally hands its pid out, and collects it to its end.
func (d *driver) run(ctx context.Context, s *sandbox, command, user string, started func(uint32) error) (result, error) {
	return d.start(ctx, s, &process.StartRequest{
		Process: &process.ProcessConfig{Cmd: "/bin/bash", Args: []string{"-l", "-c", command}},
	}, user, started)
}

func (d *driver) start(ctx context.Context, s *sandbox, request *process.StartRequest, user string, started func(uint32) error) (result, error) {
	collected := result{}
	stream, err := d.processes(s, user).Start(ctx, connect.NewRequest(request))
	if err != nil {
		return collected, err
	}
	defer stream.Close()
	for stream.Receive() {
		switch event := stream.Msg().GetEvent().GetEvent().(type) {
		case *process.ProcessEvent_Start:
			collected.pid = event.Start.GetPid()
			if started != nil {
				if err := started(collected.pid); err != nil {
					return collected, err
				}
			}
		case *process.ProcessEvent_Data:
			collected.stdout += string(event.Data.GetStdout()) + string(event.Data.GetPty())
			collected.stderr += string(event.Data.GetStderr())
		case *process.ProcessEvent_End:
			collected.exitCode, collected.status = event.End.GetExitCode(), event.End.GetStatus()
		}
	}
	return collected, stream.Err()
}

func byPid(pid uint32) *process.ProcessSelector {
	return &process.ProcessSelector{Selector: &process.ProcessSelector_Pid{Pid: pid}}
}

func stdin(text string) *process.ProcessInput {
	return &process.ProcessInput{Input: &process.ProcessInput_Stdin{Stdin: []byte(text)}}
}

var processOperations = []operation{
	{"commands-run", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		ended, err := d.run(ctx, s, "echo out; echo err >&2; exit 3", "user", nil)
		return want(err, fmt.Sprint(ended.stdout, ended.stderr, ended.exitCode, ended.status), "out\nerr\n3exit status 3")
	}},
	{"commands-context", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		cwd := "/tmp"
		for _, user := range []string{"user", "root"} {
			ended, err := d.start(ctx, s, &process.StartRequest{Process: &process.ProcessConfig{
				Cmd: "/bin/sh", Args: []string{"-c", "echo $(whoami) $A $PWD"}, Envs: map[string]string{"A": "1"}, Cwd: &cwd,
			}}, user, nil)
			if err := want(err, ended.stdout, user+" 1 /tmp\n"); err != nil {
				return err
			}
		}
		return nil
	}},
	{"commands-background", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		client := d.processes(s, "user")
		ended, err := d.run(ctx, s, "sleep 100", "user", func(pid uint32) error {
			listed, err := client.List(ctx, connect.NewRequest(&process.ListRequest{}))
			if err != nil {
				return err
			}
			found := false
			for _, item := range listed.Msg.GetProcesses() {
				found = found || item.GetPid() == pid
			}
			if !found {
				return errors.New("the running command is not listed")
			}
			_, err = client.SendSignal(ctx, connect.NewRequest(&process.SendSignalRequest{
				Process: byPid(pid), Signal: process.Signal_SIGNAL_SIGKILL,
			}))
			return err
		})
		if err := want(err, fmt.Sprint(ended.exitCode, ended.status), "-1signal: killed"); err != nil {
			return err
		}
		_, err = client.SendSignal(ctx, connect.NewRequest(&process.SendSignalRequest{
			Process: byPid(4_000_000), Signal: process.Signal_SIGNAL_SIGKILL,
		}))
		return want(nil, connect.CodeOf(err).String(), "not_found")
	}},
	{"commands-stdin", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		client := d.processes(s, "user")
		ended, err := d.run(ctx, s, "cat", "user", func(pid uint32) error {
			if _, err := client.SendInput(ctx, connect.NewRequest(&process.SendInputRequest{Process: byPid(pid), Input: stdin("typed ü\n")})); err != nil {
				return err
			}
			_, err := client.CloseStdin(ctx, connect.NewRequest(&process.CloseStdinRequest{Process: byPid(pid)}))
			return err
		})
		return want(err, ended.stdout, "typed ü\n")
	}},
	{"commands-stream-input", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		client := d.processes(s, "user")
		ended, err := d.run(ctx, s, "cat", "user", func(pid uint32) error {
			stream := client.StreamInput(ctx)
			selector := &process.StreamInputRequest{Event: &process.StreamInputRequest_Start{
				Start: &process.StreamInputRequest_StartEvent{Process: byPid(pid)},
			}}
			data := &process.StreamInputRequest{Event: &process.StreamInputRequest_Data{
				Data: &process.StreamInputRequest_DataEvent{Input: stdin("streamed\n")},
			}}
			if err := errors.Join(stream.Send(selector), stream.Send(data)); err != nil {
				return err
			}
			if _, err := stream.CloseAndReceive(); err != nil {
				return err
			}
			_, err := client.CloseStdin(ctx, connect.NewRequest(&process.CloseStdinRequest{Process: byPid(pid)}))
			return err
		})
		return want(err, ended.stdout, "streamed\n")
	}},
	{"commands-large-output", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		ended, err := d.run(ctx, s, "head -c 10000000 /dev/zero | tr '\\0' x", "user", nil)
		return want(err, fmt.Sprint(len(ended.stdout)), "10000000")
	}},
	{"pty-input", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		client := d.processes(s, "user")
		ended, err := d.start(ctx, s, &process.StartRequest{
			Process: &process.ProcessConfig{Cmd: "/bin/bash", Args: []string{"-i", "-l"}, Envs: map[string]string{"TERM": "xterm-256color"}},
			Pty:     &process.PTY{Size: &process.PTY_Size{Cols: 80, Rows: 24}},
		}, "user", func(pid uint32) error {
			resize := &process.UpdateRequest{Process: byPid(pid), Pty: &process.PTY{Size: &process.PTY_Size{Cols: 132, Rows: 43}}}
			if _, err := client.Update(ctx, connect.NewRequest(resize)); err != nil {
				return err
			}
			keys := &process.ProcessInput{Input: &process.ProcessInput_Pty{Pty: []byte("stty size; exit 7\n")}}
			_, err := client.SendInput(ctx, connect.NewRequest(&process.SendInputRequest{Process: byPid(pid), Input: keys}))
			return err
		})
		if err == nil && (ended.exitCode != 7 || !strings.Contains(ended.stdout, "43 132")) {
			err = fmt.Errorf("exit code %d, screen %q", ended.exitCode, ended.stdout)
		}
		return err
	}},
}
