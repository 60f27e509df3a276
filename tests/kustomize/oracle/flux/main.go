package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fluxcd/pkg/envsubst"
	generator "github.com/fluxcd/pkg/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/provider"
)

type request struct {
	Text    string
	Vars    map[string]string
	Strict  bool
	Always  bool
	HasVars bool
	Files   map[string]string
	Path    string
	Spec    map[string]interface{}
}

var ctx = context.Background()

func object(r *request) unstructured.Unstructured {
	spec := r.Spec
	if spec == nil {
		spec = map[string]interface{}{}
	}
	if r.HasVars {
		sub := map[string]interface{}{}
		for k, v := range r.Vars {
			sub[k] = v
		}
		spec["postBuild"] = map[string]interface{}{"substitute": sub}
	}
	return unstructured.Unstructured{Object: map[string]interface{}{"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": map[string]interface{}{"name": "x", "namespace": "y"}, "spec": spec}}
}

func eval(r *request) (string, error) {
	return envsubst.Eval(r.Text, func(s string) (string, bool) {
		if r.Strict {
			v, ok := r.Vars[s]
			return v, ok
		}
		return r.Vars[s], true
	})
}

var opts = func(r *request) []generator.SubstituteOption {
	return []generator.SubstituteOption{generator.SubstituteWithDryRun(true), generator.SubstituteWithStrict(r.Strict), generator.SubstituteWithAlways(r.Always)}
}

func post(r *request) (string, error) {
	res, err := provider.NewDefaultDepProvider().GetResourceFactory().FromBytes([]byte(r.Text))
	if err != nil {
		return "", fmt.Errorf("input: %w", err)
	}
	out, err := generator.SubstituteVariables(ctx, nil, object(r), res, opts(r)...)
	if err != nil {
		return "", err
	}
	if out == nil {
		out = res
	}
	y, err := out.AsYAML()
	return string(y), err
}

func unit(r *request) (string, error) {
	root, err := os.MkdirTemp("/dev/shm", "fo")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(root)
	for p, c := range r.Files {
		f := filepath.Join(root, p)
		os.MkdirAll(filepath.Dir(f), 0o755)
		if err := os.WriteFile(f, []byte(c), 0o644); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(root, r.Path)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("kustomization path not found: %w", err)
	}
	u := object(r)
	if _, err := generator.NewGenerator(root, u).WriteFile(dir); err != nil {
		return "", err
	}
	m, err := generator.SecureBuild(root, dir, false)
	if err != nil {
		return "", fmt.Errorf("kustomize build failed: %w", err)
	}
	for _, res := range m.Resources() {
		if res.GetName() == "" || res.GetKind() == "" || res.GetApiVersion() == "" {
			return "", fmt.Errorf("failed to decode Kubernetes apiVersion, kind and name from: %v", res.String())
		}
		if r.HasVars {
			out, err := generator.SubstituteVariables(ctx, nil, u, res, opts(r)...)
			if err != nil {
				return "", fmt.Errorf("post build failed for '%s/%s': %w", res.GetGvk(), res.GetName(), err)
			}
			if out != nil {
				if _, err = m.Replace(res); err != nil {
					return "", err
				}
			}
		}
	}
	y, err := m.AsYaml()
	return string(y), err
}

func try(f func(*request) (string, error), r *request) (s string, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v", x)
		}
	}()
	return f(r)
}

func main() {
	f := map[string]func(*request) (string, error){"eval": eval, "post": post, "unit": unit}[os.Args[1]]
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for {
		var n uint32
		if binary.Read(in, binary.LittleEndian, &n) != nil {
			return
		}
		doc := make([]byte, n)
		if _, err := io.ReadFull(in, doc); err != nil {
			return
		}
		var r request
		if err := json.Unmarshal(doc, &r); err != nil {
			panic(err)
		}
		s, err := try(f, &r)
		status := byte(0)
		if err != nil {
			status, s = 1, err.Error()
		}
		out.WriteByte(status)
		binary.Write(out, binary.LittleEndian, uint32(len(s)))
		out.WriteString(s)
	}
}
