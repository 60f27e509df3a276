// Command record writes what the sandbox has to know of the built-in kinds of one Kubernetes
// version: which kinds there are (kinds.json), the fields of their types (types.json), what the
// server fills in (defaults.json) and the columns that kubectl shows (columns.json).
//
// Everything is read from the packages that kube-apiserver itself is linked from, and from the
// discovery and OpenAPI documents in its module. Only stable versions (v1, v2, ...) are kept:
// those are what a server without feature flags serves.
//
//	go run . "$(go list -m -f '{{.Dir}}' k8s.io/kubernetes)" ..
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/install"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

var stable = regexp.MustCompile(`^v[0-9]+$`)

type gvk struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type discovered struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Versions []struct {
			Version   string `json:"version"`
			Resources []struct {
				Resource     string   `json:"resource"`
				Kind         gvk      `json:"responseKind"`
				Scope        string   `json:"scope"`
				Singular     string   `json:"singularResource"`
				ShortNames   []string `json:"shortNames"`
				Categories   []string `json:"categories"`
				Verbs        []string `json:"verbs"`
				Subresources []struct {
					Name  string   `json:"subresource"`
					Kind  gvk      `json:"responseKind"`
					Verbs []string `json:"verbs"`
				} `json:"subresources"`
			} `json:"resources"`
		} `json:"versions"`
	} `json:"items"`
}

type kind struct {
	Group        string              `json:"group"`
	Version      string              `json:"version"`
	Kind         string              `json:"kind"`
	Resource     string              `json:"resource"`
	Singular     string              `json:"singular"`
	Namespaced   bool                `json:"namespaced"`
	ShortNames   []string            `json:"shortNames,omitempty"`
	Categories   []string            `json:"categories,omitempty"`
	Verbs        []string            `json:"verbs"`
	Subresources map[string][]string `json:"subresources,omitempty"`
	Type         string              `json:"type"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: record KUBERNETES_MODULE_DIR OUTPUT_DIR")
		os.Exit(2)
	}
	module, out := os.Args[1], os.Args[2]
	apiextensions.Install(legacyscheme.Scheme)
	apiregistration.Install(legacyscheme.Scheme)

	hints := readOpenAPI(filepath.Join(module, "api", "openapi-spec", "v3"))
	types := newTypes(hints)
	kinds := []any{}
	roots := []schema.GroupVersionKind{}
	for _, file := range []string{"api/discovery/aggregated_v2.json"} {
		for _, k := range readKinds(filepath.Join(module, file)) {
			gv := schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Kind}
			known, ok := legacyscheme.Scheme.AllKnownTypes()[gv]
			check(ok, "no Go type for %v", gv)
			k.Type = types.add(known)
			kinds = append(kinds, k)
			roots = append(roots, gv)
			for _, words := range k.Subresources {
				addBody(types, words[0])
			}
		}
	}
	addBody(types, "/v1/DeleteOptions")
	writeLines(filepath.Join(out, "kinds.json"), kinds)
	writeMap(filepath.Join(out, "types.json"), types.lines())
	writeMap(filepath.Join(out, "defaults.json"), recordDefaults(roots))
	writeMap(filepath.Join(out, "columns.json"), recordColumns(roots))
}

// addBody adds the type of a request's body that is no kind of its own: a scale, a token request.
func addBody(types *types, id string) {
	parts := strings.SplitN(id, "/", 3)
	gv := schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]}
	if known, ok := legacyscheme.Scheme.AllKnownTypes()[gv]; ok {
		types.add(known)
	}
}

func readKinds(file string) []kind {
	kinds := []kind{}
	var document discovered
	readJSON(file, &document)
	core := discovered{}
	readJSON(filepath.Join(filepath.Dir(file), "api__v1.json"), &core)
	for _, group := range document.Items {
		for _, version := range group.Versions {
			if !stable.MatchString(version.Version) {
				continue
			}
			for _, r := range version.Resources {
				k := kind{
					Group: group.Metadata.Name, Version: version.Version, Kind: r.Kind.Kind,
					Resource: r.Resource, Singular: r.Singular, Namespaced: r.Scope == "Namespaced",
					ShortNames: r.ShortNames, Categories: r.Categories, Verbs: r.Verbs,
				}
				for _, sub := range r.Subresources {
					if k.Subresources == nil {
						k.Subresources = map[string][]string{}
					}
					names := []string{fmt.Sprintf("%s/%s/%s", sub.Kind.Group, sub.Kind.Version, sub.Kind.Kind)}
					k.Subresources[sub.Name] = append(names, sub.Verbs...)
				}
				kinds = append(kinds, k)
			}
		}
	}
	return append(kinds, readCore(filepath.Join(filepath.Dir(file), "api__v1.json"))...)
}

// readCore reads the legacy group, which the aggregated document in the module leaves out.
func readCore(file string) []kind {
	var list struct {
		Resources []struct {
			Name, SingularName, Kind, Group, Version string
			Namespaced                               bool
			Verbs, ShortNames, Categories            []string
		} `json:"resources"`
	}
	readJSON(file, &list)
	byName := map[string]*kind{}
	order := []string{}
	for _, r := range list.Resources {
		name, sub := r.Name, ""
		if i := bytes.IndexByte([]byte(r.Name), '/'); i >= 0 {
			name, sub = r.Name[:i], r.Name[i+1:]
		}
		if sub == "" {
			byName[name] = &kind{
				Version: "v1", Kind: r.Kind, Resource: name, Singular: r.SingularName,
				Namespaced: r.Namespaced, ShortNames: r.ShortNames, Categories: r.Categories, Verbs: r.Verbs,
			}
			order = append(order, name)
			continue
		}
		k := byName[name]
		if k == nil {
			continue
		}
		if k.Subresources == nil {
			k.Subresources = map[string][]string{}
		}
		id := fmt.Sprintf("%s/%s/%s", r.Group, r.Version, r.Kind)
		k.Subresources[sub] = append([]string{id}, r.Verbs...)
	}
	kinds := []kind{}
	for _, name := range order {
		if byName[name].Kind != "Binding" {
			kinds = append(kinds, *byName[name])
		}
	}
	return kinds
}

func readJSON(file string, into any) {
	text, err := os.ReadFile(file)
	check(err == nil, "%v", err)
	err = json.Unmarshal(text, into)
	check(err == nil, "%s: %v", file, err)
}

func encode(value any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	check(err == nil, "%v", err)
	return string(bytes.TrimRight(text.Bytes(), "\n"))
}

// writeLines writes a JSON list, one entry a line, so that a new version gives a readable diff.
func writeLines(file string, entries []any) {
	var text bytes.Buffer
	text.WriteString("[\n")
	for i, entry := range entries {
		text.WriteString(encode(entry))
		if i+1 < len(entries) {
			text.WriteByte(',')
		}
		text.WriteByte('\n')
	}
	text.WriteString("]\n")
	check(os.WriteFile(file, text.Bytes(), 0o644) == nil, "cannot write %s", file)
}

// writeMap writes a JSON object, one sorted entry a line.
func writeMap(file string, entries map[string]any) {
	names := []string{}
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	var text bytes.Buffer
	text.WriteString("{\n")
	for i, name := range names {
		fmt.Fprintf(&text, "%s: %s", encode(name), encode(entries[name]))
		if i+1 < len(names) {
			text.WriteByte(',')
		}
		text.WriteByte('\n')
	}
	text.WriteString("}\n")
	check(os.WriteFile(file, text.Bytes(), 0o644) == nil, "cannot write %s", file)
}

func check(ok bool, format string, arguments ...any) {
	if !ok {
		fmt.Fprintf(os.Stderr, format+"\n", arguments...)
		os.Exit(1)
	}
}
