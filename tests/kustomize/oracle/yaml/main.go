// Reads framed documents (u32 length, bytes) and answers each with a status byte and a frame.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/kio"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	v3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

func resource(doc []byte) (string, error) {
	nodes, err := kio.FromBytes(doc)
	if err != nil {
		return "", err
	}
	var out []string
	for _, n := range nodes {
		j, err := n.MarshalJSON()
		if err != nil {
			return "", err
		}
		y, err := yaml.JSONToYAML(j)
		if err != nil {
			return "", err
		}
		out = append(out, string(y))
	}
	return strings.Join(out, "---\n"), nil
}

func kust(doc []byte) (string, error) {
	j, err := yaml.YAMLToJSON(doc)
	return string(j), err
}

func fromjson(doc []byte) (string, error) {
	n := kyaml.NewRNode(&kyaml.Node{})
	if err := n.UnmarshalJSON(doc); err != nil {
		return "", err
	}
	return n.String()
}

// Upstream's own program dies on an alias inside its anchor: find those first.
func cyclic(n *v3.Node, open map[*v3.Node]bool, done map[*v3.Node]bool) bool {
	if open[n] {
		return true
	}
	if done[n] {
		return false
	}
	open[n] = true
	if n.Alias != nil && cyclic(n.Alias, open, done) {
		return true
	}
	for _, c := range n.Content {
		if cyclic(c, open, done) {
			return true
		}
	}
	delete(open, n)
	done[n] = true
	return false
}

var separator = regexp.MustCompile("\n---.*\n")

func recursive(doc []byte) (found bool) {
	defer func() { recover() }()
	for _, part := range separator.Split(strings.ReplaceAll(string(doc), "\r\n", "\n"), -1) {
		var n v3.Node
		if v3.NewDecoder(strings.NewReader(part+"\n")).Decode(&n) == nil && cyclic(&n, map[*v3.Node]bool{}, map[*v3.Node]bool{}) {
			return true
		}
	}
	return false
}

func try(f func([]byte) (string, error), doc []byte) (s string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if strings.Contains(string(doc), "*") && recursive(doc) {
		return "", fmt.Errorf("recursion")
	}
	return f(doc)
}

func main() {
	f := map[string]func([]byte) (string, error){"resource": resource, "kust": kust, "fromjson": fromjson}[os.Args[1]]
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
		s, err := try(f, doc)
		status := byte(0)
		if err != nil {
			status, s = 1, err.Error()
		}
		out.WriteByte(status)
		binary.Write(out, binary.LittleEndian, uint32(len(s)))
		out.WriteString(s)
	}
}
