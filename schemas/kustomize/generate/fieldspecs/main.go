// Reads the default field specs of kustomize 5.8.1 out of its source and writes them, in the order
// in which the program holds them after sorting, as the table ../fieldspecs.txt.
//
// Run it in this directory: go run ./fieldspecs ../fieldspecs.txt
//
// A line without indentation opens a section: its name and, for nameReference, group, version and
// kind of the target. An indented line is one field spec: group, version, kind, "create" or "-",
// path. A "-" stands for an empty value.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

type spec struct {
	Group   string `yaml:"group"`
	Version string `yaml:"version"`
	Kind    string `yaml:"kind"`
	Path    string `yaml:"path"`
	Create  bool   `yaml:"create"`
	Specs   []spec `yaml:"fieldSpecs"`
}

func (s spec) gvk() resid.Gvk { return resid.Gvk{Group: s.Group, Version: s.Version, Kind: s.Kind} }

type specs []spec

func (s specs) Len() int           { return len(s) }
func (s specs) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s specs) Less(i, j int) bool { return s[i].gvk().IsLessThan(s[j].gvk()) }

var sections = []string{"namePrefix", "nameSuffix", "namespace", "commonLabels", "templateLabels",
	"commonAnnotations", "nameReference", "varReference", "images", "replicas"}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func main() {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kustomize/api").Output()
	if err != nil {
		panic(err)
	}
	source := filepath.Join(strings.TrimSpace(string(dir)), "internal/konfig/builtinpluginconsts")
	files, _ := filepath.Glob(source + "/*.go")
	literal := regexp.MustCompile("(?s)(\\w+)\\s*=\\s*`([^`]*)`(?:\\s*\\+\\s*(\\w+))?")
	texts, tails := map[string]string{}, map[string]string{}
	for _, file := range files {
		bytes, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(bytes), -1) {
			texts[m[1]], tails[m[1]] = m[2], m[3]
		}
	}
	all := map[string]specs{}
	for id, text := range texts {
		var part map[string]specs
		if yaml.Unmarshal([]byte(text+texts[tails[id]]), &part) != nil {
			continue // a shared tail on its own
		}
		for name, list := range part {
			all[name] = list
		}
	}
	var out strings.Builder
	out.WriteString("# Made by generate/fieldspecs from kustomize 5.8.1 (Apache-2.0). Do not edit.\n")
	for _, name := range sections {
		list, found := all[name]
		if !found {
			panic("no section " + name)
		}
		// The program merges the defaults into an empty configuration, which drops a spec that an
		// earlier one covers, and sorts before and after.
		sort.Sort(list)
		list = merge(list, name == "nameReference")
		sort.Sort(list)
		if name != "nameReference" {
			fmt.Fprintln(&out, name)
			print(&out, list)
			continue
		}
		for _, target := range list {
			fmt.Fprintln(&out, name, dash(target.Group), dash(target.Version), dash(target.Kind))
			print(&out, target.Specs)
		}
	}
	if err := os.WriteFile(os.Args[1], []byte(out.String()), 0o644); err != nil {
		panic(err)
	}
}

// merge keeps the first of specs that select alike; targets of the same kind join their specs.
func merge(list specs, targets bool) (merged specs) {
next:
	for _, x := range list {
		for i, have := range merged {
			if targets && have.gvk().Equals(x.gvk()) {
				merged[i].Specs = merge(append(merged[i].Specs, x.Specs...), false)
				continue next
			}
			gvk := x.gvk()
			if !targets && have.gvk().IsSelected(&gvk) && have.Path == x.Path {
				if have.Create != x.Create {
					panic("conflicting defaults at " + x.Path)
				}
				continue next
			}
		}
		merged = append(merged, x)
	}
	return merged
}

func print(out *strings.Builder, list specs) {
	for _, s := range list {
		create := "-"
		if s.Create {
			create = "create"
		}
		fmt.Fprintln(out, "  "+dash(s.Group), dash(s.Version), dash(s.Kind), create, s.Path)
	}
}
