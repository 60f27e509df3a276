package main

import (
	"encoding/json"
	"reflect"
	"sort"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

// recordDefaults asks the server's own defaulting functions: for each struct that a kind can
// hold, an object is built in which only what leads to that struct is set, the functions are run,
// and the fields that appeared in the struct are written down under its type. Where the same type
// is filled differently in different places, the most frequent answer is kept under the type and
// each other one under `Kind:path`.
//
// What depends on the content of other fields (a Service's target port, an image's pull policy)
// cannot be seen this way; the sandbox computes it.
func recordDefaults(roots []schema.GroupVersionKind) map[string]any {
	places := map[string]map[string][]string{} // type -> filled fields -> places
	for _, root := range roots {
		goType := legacyscheme.Scheme.AllKnownTypes()[root]
		id := root.GroupVersion().String() + "/" + root.Kind
		walk(goType, nil, nil, func(steps []step, at reflect.Type) {
			filled := encode(defaultsAt(root, goType, steps))
			name := typeName(at)
			if places[name] == nil {
				places[name] = map[string][]string{}
			}
			places[name][filled] = append(places[name][filled], id+":"+pathOf(steps))
		})
	}
	result := map[string]any{}
	for name, answers := range places {
		usual := ""
		for answer, found := range answers {
			better := len(found) - len(answers[usual])
			if usual == "" || better > 0 || better == 0 && answer < usual {
				usual = answer
			}
		}
		if usual != "{}" {
			result[name] = json.RawMessage(usual)
		}
		for answer, found := range answers {
			if answer == usual {
				continue
			}
			sort.Strings(found)
			for _, place := range found {
				result[place] = json.RawMessage(answer)
			}
		}
	}
	return result
}

// step leads from a struct to a field of it; `name` is empty for an inlined struct.
type step struct {
	index int
	name  string
	item  bool
}

func pathOf(steps []step) string {
	names := []string{}
	for _, s := range steps {
		if s.name != "" {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ".")
}

func walk(at reflect.Type, steps []step, above []reflect.Type, visit func([]step, reflect.Type)) {
	for _, seen := range above {
		if seen == at {
			return
		}
	}
	above = append(append([]reflect.Type{}, above...), at)
	visit(steps, at)
	for i := range at.NumField() {
		field := at.Field(i)
		name := strings.Split(field.Tag.Get("json"), ",")[0]
		if name == "-" || !field.IsExported() || name == "" && !field.Anonymous {
			continue
		}
		next, item := field.Type, false
		for next.Kind() == reflect.Pointer || next.Kind() == reflect.Slice {
			item = item || next.Kind() == reflect.Slice
			next = next.Elem()
		}
		if next.Kind() != reflect.Struct || next == reflect.TypeOf(metav1.ObjectMeta{}) && len(steps) == 0 {
			continue
		}
		if _, ok := scalars[typeName(next)]; ok {
			continue
		}
		path := append(append([]step{}, steps...), step{index: i, name: name, item: item})
		if name == "" {
			continue // inlined: its fields are looked at with those of the struct that holds it
		}
		walk(next, path, above, visit)
	}
	for i := range at.NumField() { // fields of inlined structs, such as a volume's source
		field := at.Field(i)
		name := strings.Split(field.Tag.Get("json"), ",")[0]
		if name != "" || !field.Anonymous || field.Type.Kind() != reflect.Struct {
			continue
		}
		if field.Type == reflect.TypeOf(metav1.TypeMeta{}) {
			continue
		}
		inner := append(append([]step{}, steps...), step{index: i})
		walk(field.Type, inner, above, func(path []step, found reflect.Type) {
			if found != field.Type {
				visit(path, found)
			}
		})
	}
}

func defaultsAt(root schema.GroupVersionKind, goType reflect.Type, steps []step) map[string]any {
	object := reflect.New(goType)
	reach(object.Elem(), steps)
	before := fieldsAt(object, steps)
	legacyscheme.Scheme.Default(object.Interface().(runtime.Object))
	after := fieldsAt(object, steps)
	filled := map[string]any{}
	for name, value := range after {
		old, present := before[name]
		_, nested := old.(map[string]any) // a struct by value: filled under its own type
		_, isTime := stamp(value)
		if !nested && !isTime && (!present || encode(old) != encode(value)) {
			filled[name] = value
		}
	}
	return filled
}

// stamp reports whether a value is a time, which is no default but the moment of recording.
func stamp(value any) (time.Time, bool) {
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}

// reach allocates pointers and one list item each along the steps and gives the struct there.
func reach(at reflect.Value, steps []step) reflect.Value {
	for _, s := range steps {
		at = at.Field(s.index)
		for at.Kind() == reflect.Pointer || at.Kind() == reflect.Slice {
			if at.Kind() == reflect.Pointer {
				if at.IsNil() {
					at.Set(reflect.New(at.Type().Elem()))
				}
				at = at.Elem()
			} else {
				if at.Len() == 0 {
					at.Set(reflect.MakeSlice(at.Type(), 1, 1))
				}
				at = at.Index(0)
			}
		}
	}
	return at
}

func fieldsAt(object reflect.Value, steps []step) map[string]any {
	fields := map[string]any{}
	text, err := json.Marshal(reach(object.Elem(), steps).Interface())
	check(err == nil, "%v", err)
	check(json.Unmarshal(text, &fields) == nil, "not an object: %s", text)
	return fields
}
