// Many builds in one process over upstream's library, as Flux does them: on disk, files from
// anywhere in the tree, objects in the order in which they are read.
//
//	loop ROOT DIR...      builds ROOT/DIR each in turn, without a pause between
//	loop ROOT - < list    the directories stand on standard input, one a line
//
// It prints the seconds that all builds took, without the start of the process, and the SHA-256 of
// their outputs one after another.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func directories() []string {
	if len(os.Args) != 3 || os.Args[2] != "-" {
		return os.Args[2:]
	}
	var found []string
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		found = append(found, lines.Text())
	}
	return found
}

func main() {
	log.SetOutput(io.Discard)
	root, names := os.Args[1], directories()
	fs := filesys.MakeFsOnDisk()
	sum := sha256.New()
	start := time.Now()
	for _, name := range names {
		options := krusty.MakeDefaultOptions()
		options.LoadRestrictions = types.LoadRestrictionsNone
		options.Reorder = krusty.ReorderOptionNone
		objects, err := krusty.MakeKustomizer(options).Run(fs, filepath.Join(root, name))
		if err != nil {
			fmt.Fprintln(os.Stderr, name, err)
			os.Exit(1)
		}
		text, err := objects.AsYaml()
		if err != nil {
			fmt.Fprintln(os.Stderr, name, err)
			os.Exit(1)
		}
		sum.Write(text)
	}
	fmt.Printf("%.6f %x\n", time.Since(start).Seconds(), sum.Sum(nil))
}
