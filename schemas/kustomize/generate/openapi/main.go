// Reads merge keys, patch strategies and scopes out of the OpenAPI that kustomize 5.8.1 embeds
// (Kubernetes 1.21.2) and writes them as one table that needs no parsing: ../openapi.bin.
//
// Run it in this directory: go run ./openapi ../openapi.bin
//
// Layout, all numbers little-endian:
//
//	magic    8 bytes "hencekz1"
//	counts   u32 strings, u32 nodes, u32 fields, u32 keys, u32 kinds, u32 string bytes
//	strings  u32 end offset each, in byte order, so that an id compares like its text
//	nodes    7 x u16 each: first field, fields, elements, additional, strategy, first key, keys
//	fields   2 x u16 each, sorted by name within a node: name, node
//	keys     u16 each: name
//	kinds    3 x u16 + u16 each, sorted: apiVersion, kind, node, scope (0 unknown, 1 cluster, 2 namespace);
//	         definitions stand there too, with "#/definitions" for the apiVersion and their name as kind
//	bytes    the text of all strings
//
// 0xffff stands for "none". A node is a resolved schema: references are followed, as upstream does
// before it looks at a schema's extensions, so extensions beside a reference are lost here too.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"sort"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const none = 0xffff

type node struct {
	fields               map[string]int
	elements, additional int
	strategy             string
	hasStrategy          bool
	keys                 []string
}

type kind struct {
	apiVersion, kind string
	node             int
	scope            uint16
}

var (
	nodes []node
	memo  = map[string]int{}
	names = map[string]bool{}
)

func name(s string) string { names[s] = true; return s }

// lower turns one schema into a node; name is the definition's name, or "" for an inline schema.
func lower(s spec.Schema, definition string) int {
	for s.Ref.String() != "" {
		definition = s.Ref.String()
		if id, found := memo[definition]; found {
			return id
		}
		resolved, err := openapi.Resolve(&s.Ref, openapi.Schema())
		if err != nil {
			panic(err)
		}
		s = *resolved
	}
	if id, found := memo[definition]; found && definition != "" {
		return id
	}
	id := len(nodes)
	nodes = append(nodes, node{elements: none, additional: none, fields: map[string]int{}})
	if definition != "" {
		memo[definition] = id
	}
	n := node{elements: none, additional: none, fields: map[string]int{}}
	for field, schema := range s.Properties {
		n.fields[name(field)] = lower(schema, "")
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		n.additional = lower(*s.AdditionalProperties.Schema, "")
	}
	if len(s.Type) == 1 && s.Type[0] == "array" && s.Items != nil && s.Items.Schema != nil {
		n.elements = lower(*s.Items.Schema, "")
	}
	if _, found := s.Extensions["x-kubernetes-patch-strategy"]; found {
		rs := openapi.ResourceSchema{Schema: &s}
		strategy, keys := rs.PatchStrategyAndKeyList()
		n.hasStrategy, n.strategy = true, name(strategy)
		for _, key := range keys {
			n.keys = append(n.keys, name(key))
		}
	}
	nodes[id] = n
	return id
}

func main() {
	// Parses the embedded schema.
	openapi.SchemaForResourceType(yaml.TypeMeta{APIVersion: "v1", Kind: "Pod"})
	var kinds []kind
	definitions := openapi.Schema().Definitions
	var order []string
	for definition := range definitions {
		order = append(order, definition)
	}
	sort.Strings(order)
	for _, definition := range order {
		schema := definitions[definition]
		gvks, _ := schema.Extensions["x-kubernetes-group-version-kind"].([]interface{})
		for _, gvk := range gvks {
			m, ok := gvk.(map[string]interface{})
			if !ok {
				continue
			}
			version := m["version"].(string)
			if group, _ := m["group"].(string); group != "" {
				version = group + "/" + version
			}
			k := kind{apiVersion: name(version), kind: name(m["kind"].(string))}
			meta := yaml.TypeMeta{APIVersion: k.apiVersion, Kind: k.kind}
			if openapi.SchemaForResourceType(meta) != nil {
				k.node = lower(schema, "#/definitions/"+definition)
			}
			if namespaced, known := openapi.IsNamespaceScoped(meta); known {
				k.scope = 1
				if namespaced {
					k.scope = 2
				}
			}
			kinds = append(kinds, k)
		}
	}
	kinds = append(kinds, scopesWithoutSchema(kinds)...)
	for _, definition := range order {
		id := lower(definitions[definition], "#/definitions/"+definition)
		kinds = append(kinds, kind{name("#/definitions"), name(definition), id, 0})
	}
	sort.Slice(kinds, func(i, j int) bool {
		if kinds[i].apiVersion != kinds[j].apiVersion {
			return kinds[i].apiVersion < kinds[j].apiVersion
		}
		return kinds[i].kind < kinds[j].kind
	})
	write(kinds)
}

// scopesWithoutSchema finds types that the scope table knows although no definition names them.
func scopesWithoutSchema(have []kind) (more []kind) {
	seen := map[yaml.TypeMeta]bool{}
	versions, all := map[string]bool{}, map[string]bool{}
	for _, k := range have {
		seen[yaml.TypeMeta{APIVersion: k.apiVersion, Kind: k.kind}] = true
		versions[k.apiVersion], all[k.kind] = true, true
	}
	for _, extra := range []string{"NodeProxyOptions", "PodAttachOptions", "PodExecOptions",
		"PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions", "Scale"} {
		all[extra] = true
	}
	for version := range versions {
		for k := range all {
			meta := yaml.TypeMeta{APIVersion: version, Kind: k}
			if namespaced, known := openapi.IsNamespaceScoped(meta); known && !seen[meta] {
				scope := uint16(1)
				if namespaced {
					scope = 2
				}
				more = append(more, kind{name(version), name(k), none, scope})
			}
		}
	}
	return more
}

func write(kinds []kind) {
	var texts []string
	for text := range names {
		texts = append(texts, text)
	}
	sort.Strings(texts)
	ids := map[string]uint16{}
	var ends, blob bytes.Buffer
	put := func(w *bytes.Buffer, v any) { binary.Write(w, binary.LittleEndian, v) }
	for i, text := range texts {
		ids[text] = uint16(i)
		blob.WriteString(text)
		put(&ends, uint32(blob.Len()))
	}
	var nodeTable, fieldTable, keyTable, kindTable bytes.Buffer
	fields, keys := 0, 0
	for _, n := range nodes {
		strategy := uint16(none)
		if n.hasStrategy {
			strategy = ids[n.strategy]
		}
		put(&nodeTable, []uint16{uint16(fields), uint16(len(n.fields)), uint16(n.elements),
			uint16(n.additional), strategy, uint16(keys), uint16(len(n.keys))})
		var own []string
		for field := range n.fields {
			own = append(own, field)
		}
		sort.Strings(own)
		for _, field := range own {
			put(&fieldTable, []uint16{ids[field], uint16(n.fields[field])})
			fields++
		}
		for _, key := range n.keys {
			put(&keyTable, ids[key])
			keys++
		}
	}
	if len(texts) >= none || len(nodes) >= none || fields >= none {
		panic("the table outgrew 16 bits")
	}
	for _, k := range kinds {
		put(&kindTable, []uint16{ids[k.apiVersion], ids[k.kind], uint16(k.node), k.scope})
	}
	var out bytes.Buffer
	out.WriteString("hencekz1")
	put(&out, []uint32{uint32(len(texts)), uint32(len(nodes)), uint32(fields), uint32(keys),
		uint32(len(kinds)), uint32(blob.Len())})
	for _, part := range []*bytes.Buffer{&ends, &nodeTable, &fieldTable, &keyTable, &kindTable, &blob} {
		out.Write(part.Bytes())
	}
	if err := os.WriteFile(os.Args[1], out.Bytes(), 0o644); err != nil {
		panic(err)
	}
	fmt.Printf("%d strings, %d nodes, %d fields, %d keys, %d kinds, %d bytes\n",
		len(texts), len(nodes), fields, keys, len(kinds), out.Len())
}
