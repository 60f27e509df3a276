package main

import (
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/printers/internalversion"
)

type columns map[string]any

// TableHandler keeps the columns that the server declares for a kind; the rows are the sandbox's.
func (c columns) TableHandler(definitions []metav1.TableColumnDefinition, print any) error {
	object := reflect.TypeOf(print).In(0)
	for object.Kind() == reflect.Pointer {
		object = object.Elem()
	}
	list := []any{}
	for _, d := range definitions {
		list = append(list, []any{d.Name, d.Type, d.Format, d.Priority})
	}
	for known, goType := range legacyscheme.Scheme.AllKnownTypes() {
		if goType == object && known.Version == "__internal" {
			c[known.Group+"/"+known.Kind] = list
		}
	}
	return nil
}

func recordColumns(roots []schema.GroupVersionKind) map[string]any {
	all := columns{}
	internalversion.AddHandlers(all)
	kept := map[string]any{}
	for _, root := range roots {
		id := root.Group + "/" + root.Kind
		if list, ok := all[id]; ok {
			kept[id] = list
		}
	}
	return kept
}
