// Speaks the dialect of the community Go client: POST /sandboxes without `secure`, only 201 accepted, host-name
// addressing over https, envd over the Connect protocol in binary protobuf with `Authorization: Basic user:` and an
// access token that may be empty. Reports one JSON line per operation (conformance/README.md).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// No operation needs longer on a busy machine; a hanging one must not hold the rest up.
const operationDeadline = 45 * time.Second

type operation struct {
	id  string
	run func(context.Context, *driver) error
}

type driver struct {
	apiURL, apiKey, domain string
	sandbox                *sandbox
}

// sandbox is what POST /sandboxes answers.
type sandbox struct {
	SandboxID       string  `json:"sandboxID"`
	TemplateID      string  `json:"templateID"`
	ClientID        string  `json:"clientID"`
	EnvdVersion     string  `json:"envdVersion"`
	EnvdAccessToken string  `json:"envdAccessToken"`
	Domain          *string `json:"domain"`
}

func main() {
	apiURL := os.Getenv("E2B_API_URL")
	if apiURL == "" {
		apiURL = "https://api." + os.Getenv("E2B_DOMAIN")
	}
	d := &driver{apiURL: apiURL, apiKey: os.Getenv("E2B_API_KEY"), domain: os.Getenv("E2B_DOMAIN")}
	operations := append(append(lifecycleOperations, processOperations...), fileOperations...)
	wanted := map[string]bool{}
	for _, name := range os.Args[1:] {
		wanted[name] = true
	}
	plan := []string{}
	for _, op := range operations {
		if len(wanted) == 0 || wanted[op.id] {
			plan = append(plan, op.id)
		}
	}
	report(map[string]any{"plan": plan})
	for _, op := range operations {
		if len(wanted) > 0 && !wanted[op.id] {
			continue
		}
		started := time.Now()
		line := map[string]any{"operation": op.id, "status": "pass"}
		if err := attempt(op, d); err != nil {
			line["status"], line["reason"] = "fail", err.Error()
		}
		line["ms"] = time.Since(started).Milliseconds()
		report(line)
	}
	if d.sandbox != nil {
		_, _, _ = d.api(context.Background(), "DELETE", "/sandboxes/"+d.sandbox.SandboxID, nil)
	}
}

func attempt(op operation, d *driver) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), operationDeadline)
	defer cancel()
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	return op.run(ctx, d)
}

func report(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

// api sends one control-plane request. A nil body is no body at all, as the Go client sends it.
func (d *driver) api(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, d.apiURL+path, reader)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("X-API-Key", d.apiKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// expect is api with the one status that the client accepts.
func (d *driver) expect(ctx context.Context, status int, method, path string, body, into any) error {
	got, answer, err := d.api(ctx, method, path, body)
	if err != nil {
		return err
	}
	if got != status {
		return fmt.Errorf("%s %s: status %d, want %d: %s", method, path, got, status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

func (d *driver) create(ctx context.Context, body map[string]any) (*sandbox, error) {
	made := &sandbox{}
	return made, d.expect(ctx, 201, "POST", "/sandboxes", body, made)
}

// shared is the sandbox that most operations use.
func (d *driver) shared(ctx context.Context) (*sandbox, error) {
	if d.sandbox == nil {
		made, err := d.create(ctx, map[string]any{"templateID": "base", "timeout": 300})
		if err != nil {
			return nil, err
		}
		d.sandbox = made
	}
	return d.sandbox, nil
}

// host is the base URL of a port of a sandbox.
func (d *driver) host(s *sandbox, port int) string {
	domain := d.domain
	if s.Domain != nil && *s.Domain != "" {
		domain = *s.Domain
	}
	return fmt.Sprintf("https://%d-%s.%s", port, s.SandboxID, domain)
}
