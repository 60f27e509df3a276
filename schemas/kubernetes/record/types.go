package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// hint is what OpenAPI says of a field or a type and the Go type does not show.
type hint struct {
	Default     json.RawMessage `json:"default"`
	ListType    string          `json:"x-kubernetes-list-type"`
	ListKeys    []string        `json:"x-kubernetes-list-map-keys"`
	MapType     string          `json:"x-kubernetes-map-type"`
	MergeKey    string          `json:"x-kubernetes-patch-merge-key"`
	Strategy    string          `json:"x-kubernetes-patch-strategy"`
	Required    []string        `json:"required"`
	Properties  map[string]hint `json:"properties"`
	Description string          `json:"description"`
}

// shortNames pairs each prefix of OpenAPI type names with its short form in types.json.
var shortNames = [][2]string{
	{"io.k8s.apimachinery.pkg.apis.meta.v1.", "meta.v1."},
	{"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.", "apiextensions.v1."},
	{"io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.", "apiregistration.v1."},
	{"io.k8s.api.", ""},
}

func short(openAPI string) string {
	for _, pair := range shortNames {
		if rest, ok := strings.CutPrefix(openAPI, pair[0]); ok {
			return pair[1] + rest
		}
	}
	return openAPI
}

func readOpenAPI(dir string) map[string]hint {
	hints := map[string]hint{}
	files, err := filepath.Glob(filepath.Join(dir, "api*_openapi.json"))
	check(err == nil && len(files) > 0, "no OpenAPI documents in %s", dir)
	for _, file := range files {
		var document struct {
			Components struct {
				Schemas map[string]hint `json:"schemas"`
			} `json:"components"`
		}
		text, err := os.ReadFile(file)
		check(err == nil, "%v", err)
		check(json.Unmarshal(text, &document) == nil, "%s is not JSON", file)
		for name, found := range document.Components.Schemas {
			hints[short(name)] = found
		}
	}
	return hints
}

type types struct {
	hints map[string]hint
	done  map[string]map[string]string
}

func newTypes(hints map[string]hint) *types {
	return &types{hints: hints, done: map[string]map[string]string{}}
}

func (t *types) lines() map[string]any {
	lines := map[string]any{}
	for name, fields := range t.done {
		lines[name] = fields
	}
	return lines
}

func typeName(goType reflect.Type) string {
	parts := strings.SplitN(goType.PkgPath(), "/", 2)
	domain := strings.Split(parts[0], ".")
	for i, j := 0, len(domain)-1; i < j; i, j = i+1, j-1 {
		domain[i], domain[j] = domain[j], domain[i]
	}
	path := strings.Join(domain, ".")
	if len(parts) > 1 {
		path += "." + strings.ReplaceAll(parts[1], "/", ".")
	}
	return short(path + "." + goType.Name())
}

// scalars are the Go types that appear in JSON as something else than their fields.
var scalars = map[string]string{
	"meta.v1.Time":      "time",
	"meta.v1.MicroTime": "microtime",
	"meta.v1.Duration":  "string",
	"meta.v1.FieldsV1":  "any",
	"io.k8s.apimachinery.pkg.api.resource.Quantity":   "quantity",
	"io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
	"io.k8s.apimachinery.pkg.runtime.RawExtension":    "any",
	"apiextensions.v1.JSON":                           "any",
	"apiextensions.v1.JSONSchemaPropsOrArray":         "any",
	"apiextensions.v1.JSONSchemaPropsOrBool":          "any",
	"apiextensions.v1.JSONSchemaPropsOrStringArray":   "any",
}

// expression writes a type: `string`, `int`, `[]T`, `{}T`, `#name`, ...
func (t *types) expression(goType reflect.Type) string {
	if known, ok := scalars[typeName(goType)]; ok {
		return known
	}
	switch goType.Kind() {
	case reflect.Pointer:
		return t.expression(goType.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return "int"
	case reflect.Float64, reflect.Float32:
		return "float"
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + t.expression(goType.Elem())
	case reflect.Map:
		return "{}" + t.expression(goType.Elem())
	case reflect.Struct:
		return "#" + t.add(goType)
	}
	check(false, "no expression for %v", goType)
	return ""
}

func (t *types) add(goType reflect.Type) string {
	name := typeName(goType)
	if _, ok := t.done[name]; ok {
		return name
	}
	fields := map[string]string{}
	t.done[name] = fields
	if t.hints[name].MapType == "atomic" {
		fields["*"] = "atomic"
	}
	t.addFields(goType, t.hints[name], fields)
	return name
}

func (t *types) addFields(goType reflect.Type, of hint, fields map[string]string) {
	for i := range goType.NumField() {
		field := goType.Field(i)
		tag := strings.Split(field.Tag.Get("json"), ",")
		if tag[0] == "-" || !field.IsExported() {
			continue
		}
		if tag[0] == "" {
			if field.Anonymous {
				t.addFields(field.Type, of, fields)
				if number := wireNumber(field); number != "" {
					fields["@"+number] = t.expression(field.Type)
				}
			}
			continue
		}
		fields[tag[0]] = t.describe(field, tag[1:], of, tag[0])
	}
}

// wireNumber is the number of a field in protobuf messages.
func wireNumber(field reflect.StructField) string {
	parts := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

// describe writes a field: its type, then words that say how it behaves.
//
//	omit       left out when zero or empty     optional   a pointer, left out when nil
//	nullable   a pointer, written as null when nil
//	required   OpenAPI requires it             atomic     owned as a whole
//	set        a list with set semantics       map=a,b    a list keyed by the fields a and b
//	merge=k    strategic merge by key k        merge      strategic merge of scalars
//	retainkeys, replace                        other strategic merge directives
//	default=   what OpenAPI says; list keys need it
//	pb=        its number in protobuf; an inlined struct stands under `@number`
func (t *types) describe(field reflect.StructField, options []string, of hint, name string) string {
	words := []string{t.expression(field.Type)}
	omits := false
	for _, option := range options {
		omits = omits || option == "omitempty" || option == "omitzero"
	}
	nilable := field.Type.Kind() == reflect.Pointer
	structural := field.Type.Kind() == reflect.Struct
	zeroable := false
	for _, option := range options {
		zeroable = zeroable || option == "omitzero"
	}
	switch {
	case nilable && omits:
		words = append(words, "optional")
	case nilable:
		words = append(words, "nullable")
	case omits && (!structural || zeroable):
		words = append(words, "omit")
	}
	for _, required := range of.Required {
		if required == name {
			words = append(words, "required")
		}
	}
	said := of.Properties[name]
	switch said.ListType {
	case "atomic":
		words = append(words, "atomic")
	case "set":
		words = append(words, "set")
	case "map":
		words = append(words, "map="+strings.Join(said.ListKeys, ","))
	}
	if said.MapType == "atomic" {
		words = append(words, "atomic")
	}
	for _, strategy := range strings.Split(said.Strategy, ",") {
		switch {
		case strategy == "merge" && said.MergeKey != "":
			words = append(words, "merge="+said.MergeKey)
		case strategy == "merge":
			words = append(words, "merge")
		case strategy == "retainKeys":
			words = append(words, "retainkeys")
		case strategy == "replace":
			words = append(words, "replace")
		}
	}
	if number := wireNumber(field); number != "" {
		words = append(words, "pb="+number)
	}
	plain := string(said.Default)
	if plain != "" && plain != "{}" && plain != `""` && plain != "0" && plain != "false" && plain != "null" {
		words = append(words, "default="+plain)
	}
	return strings.Join(words, " ")
}
