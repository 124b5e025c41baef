package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

var lifecycleOperations = []operation{
	{"create", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		if s.EnvdAccessToken != "" {
			return fmt.Errorf("a create without `secure` must not be secured")
		}
		if s.ClientID == "" || s.TemplateID == "" || s.EnvdVersion == "" {
			return fmt.Errorf("required fields are missing: %+v", *s)
		}
		return nil
	}},
	{"create-options", func(ctx context.Context, d *driver) error {
		s, err := d.create(ctx, map[string]any{
			"templateID": "base", "timeout": 60, "secure": true,
			"metadata": map[string]string{"client": "go"}, "envVars": map[string]string{"GREETING": "grüezi"},
		})
		if err != nil {
			return err
		}
		defer d.api(ctx, "DELETE", "/sandboxes/"+s.SandboxID, nil)
		if s.EnvdAccessToken == "" {
			return fmt.Errorf("a secured sandbox has a token")
		}
		result, err := d.run(ctx, s, "echo -n $GREETING", "user", nil)
		return want(err, result.stdout, "grüezi")
	}},
	{"connect", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		again := &sandbox{}
		if err := d.expect(ctx, 200, "POST", "/sandboxes/"+s.SandboxID+"/connect", map[string]any{"timeout": 300}, again); err != nil {
			return err
		}
		return want(nil, again.SandboxID, s.SandboxID)
	}},
	{"list", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		for _, path := range []string{"/sandboxes", "/v2/sandboxes?state=running"} {
			listed := []sandbox{}
			if err := d.expect(ctx, 200, "GET", path, nil, &listed); err != nil {
				return err
			}
			found := false
			for _, item := range listed {
				found = found || item.SandboxID == s.SandboxID
			}
			if !found {
				return fmt.Errorf("%s does not list the sandbox", path)
			}
		}
		return nil
	}},
	{"list-paging", func(ctx context.Context, d *driver) error {
		s, err := d.create(ctx, map[string]any{"templateID": "base", "timeout": 60, "metadata": map[string]string{"page": "go"}})
		if err != nil {
			return err
		}
		defer d.api(ctx, "DELETE", "/sandboxes/"+s.SandboxID, nil)
		listed := []sandbox{}
		query := url.Values{"metadata": {"page=go"}, "limit": {"1"}}
		if err := d.expect(ctx, 200, "GET", "/v2/sandboxes?"+query.Encode(), nil, &listed); err != nil {
			return err
		}
		if len(listed) != 1 {
			return fmt.Errorf("%d listed, want 1", len(listed))
		}
		return nil
	}},
	{"info", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		info := struct {
			State      string `json:"state"`
			TemplateID string `json:"templateID"`
		}{}
		if err := d.expect(ctx, 200, "GET", "/sandboxes/"+s.SandboxID, nil, &info); err != nil {
			return err
		}
		return want(nil, info.State+" "+info.TemplateID, "running "+s.TemplateID)
	}},
	{"set-timeout", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		return d.expect(ctx, 204, "POST", "/sandboxes/"+s.SandboxID+"/timeout", map[string]any{"timeout": 300}, nil)
	}},
	{"refresh", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		if err := d.expect(ctx, 204, "POST", "/sandboxes/"+s.SandboxID+"/refreshes", nil, nil); err != nil {
			return err
		}
		return d.expect(ctx, 204, "POST", "/sandboxes/"+s.SandboxID+"/refreshes", map[string]any{"duration": 60}, nil)
	}},
	{"network-update", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		path := "/sandboxes/" + s.SandboxID + "/network"
		if err := d.expect(ctx, 204, "PUT", path, map[string]any{"denyOut": []string{"192.0.2.0/24"}}, nil); err != nil {
			return err
		}
		return d.expect(ctx, 204, "PUT", path, map[string]any{}, nil)
	}},
	{"metrics", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		return eventually("a sample", func() (bool, error) {
			samples := []map[string]any{}
			err := d.expect(ctx, 200, "GET", "/sandboxes/"+s.SandboxID+"/metrics", nil, &samples)
			return len(samples) > 0, err
		})
	}},
	{"logs", func(ctx context.Context, d *driver) error {
		s, err := d.shared(ctx)
		if err != nil {
			return err
		}
		return eventually("log lines", func() (bool, error) {
			answer := struct {
				Logs []map[string]any `json:"logs"`
			}{}
			err := d.expect(ctx, 200, "GET", "/v2/sandboxes/"+s.SandboxID+"/logs?direction=forward&limit=10", nil, &answer)
			return len(answer.Logs) > 0 && answer.Logs[0]["message"] != nil, err
		})
	}},
	{"error-template", func(ctx context.Context, d *driver) error {
		status, body, err := d.api(ctx, "POST", "/sandboxes", map[string]any{"templateID": "no-such-template"})
		return wantError(err, status, 404, body)
	}},
	{"error-key", func(ctx context.Context, d *driver) error {
		stranger := *d
		stranger.apiKey = "e2b_" + strings.Repeat("0", 40)
		status, body, err := stranger.api(ctx, "GET", "/sandboxes", nil)
		return wantError(err, status, 401, body)
	}},
	{"error-unknown-sandbox", func(ctx context.Context, d *driver) error {
		status, body, err := d.api(ctx, "GET", "/sandboxes/i0000000000000000000", nil)
		return wantError(err, status, 404, body)
	}},
	{"kill", func(ctx context.Context, d *driver) error {
		s, err := d.create(ctx, map[string]any{"templateID": "base"})
		if err != nil {
			return err
		}
		if err := d.expect(ctx, 204, "DELETE", "/sandboxes/"+s.SandboxID, nil, nil); err != nil {
			return err
		}
		status, body, err := d.api(ctx, "DELETE", "/sandboxes/"+s.SandboxID, nil)
		return wantError(err, status, 404, body)
	}},
}

func want(err error, got, wanted string) error {
	if err == nil && got != wanted {
		err = fmt.Errorf("got %q, want %q", got, wanted)
	}
	return err
}

// wantError checks the status and that the body says the same code with a message.
func wantError(err error, status, wanted int, body []byte) error {
	if err != nil {
		return err
	}
	parsed := struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{}
	if err := json.Unmarshal(body, &parsed); err != nil {
		return fmt.Errorf("status %d with a body that is not JSON: %s", status, body)
	}
	if status != wanted || parsed.Code != wanted || parsed.Message == "" {
		return fmt.Errorf("status %d, body %s, want %d", status, body, wanted)
	}
	return nil
}

func eventually(what string, ask func() (bool, error)) error {
	end := time.Now().Add(15 * time.Second)
	for {
		seen, err := ask()
		if err != nil || seen {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: not seen", what)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
