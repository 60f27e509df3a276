// The official kustomize 5.8.1 as a server for tests: one tree a line in, one outcome a line out.
//
// In: {"root":"dir","files":{"dir/kustomization.yaml":"..."},"order":"legacy"|"none"}, or
// {"root":"/dir","disk":true,"order":…} for a directory of this machine
// Out: {"ok":true,"out":"..."} or {"ok":false,"err":"..."}
//
// Build it with:
//
//	go build -ldflags "-X sigs.k8s.io/kustomize/api/provenance.version=v5.8.1" -o oracle .
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

type request struct {
	Root  string            `json:"root"`
	Files map[string]string `json:"files"`
	Order string            `json:"order"`
	Disk  bool              `json:"disk"`
}

type answer struct {
	OK  bool   `json:"ok"`
	Out string `json:"out,omitempty"`
	Err string `json:"err,omitempty"`
}

// dirty says that the last tree left a schema of its own behind.
var dirty bool

func bringsSchema(r request) bool {
	for _, text := range r.Files {
		if strings.Contains(strings.ToLower(text), "openapi") {
			return true
		}
	}
	return false
}

func build(r request) (a answer) {
	// A panic of the program is a refusal.
	defer func() {
		if p := recover(); p != nil {
			a = answer{Err: fmt.Sprintf("panic: %v", p)}
		}
	}()
	// Reading the schema takes longer than most builds: only trees that bring one start anew.
	own := bringsSchema(r)
	if own || dirty {
		openapi.ResetOpenAPI()
	}
	dirty = own
	if r.Disk {
		// Which files the build will read is not known here.
		defer func() { dirty = strings.Contains(openapi.GetSchemaVersion(), "custom") }()
	}
	fs, root := filesys.MakeFsInMemory(), "/"+r.Root
	if r.Disk {
		fs, root = filesys.MakeFsOnDisk(), r.Root
	}
	for path, text := range r.Files {
		if err := fs.WriteFile("/"+path, []byte(text)); err != nil {
			return answer{Err: "cannot write: " + err.Error()}
		}
	}
	options := krusty.MakeDefaultOptions()
	if r.Order == "legacy" {
		options.Reorder = krusty.ReorderOptionLegacy
	} else {
		options.Reorder = krusty.ReorderOptionNone
	}
	m, err := krusty.MakeKustomizer(options).Run(fs, root)
	if err != nil {
		return answer{Err: err.Error()}
	}
	out, err := m.AsYaml()
	if err != nil {
		return answer{Err: err.Error()}
	}
	return answer{OK: true, Out: string(out)}
}

func main() {
	log.SetOutput(io.Discard)
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var r request
		a := answer{Err: "bad request"}
		if json.Unmarshal(line, &r) == nil {
			a = build(r)
		}
		bytes, _ := json.Marshal(a)
		out.Write(bytes)
		out.WriteByte('\n')
		out.Flush()
	}
}
