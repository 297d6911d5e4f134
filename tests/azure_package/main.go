// Azure Developer CLI's two libraries, asked what they make of this repository. azd itself is a download that no
// registry has; what it packs and what it makes of main.parameters.json are decided by these, which it pins so.
//
//	azd pack ROOT          the paths that azd packs of ROOT, by ROOT/.funcignore, as a JSON array
//	azd substitute         stdin: {"texts": [...], "environ": {...}}; each text with its ${...} filled in, as a JSON array
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/denormal/go-gitignore"
	"github.com/drone/envsubst"
)

// ignoreFile is what azd reads for a function app. It packs neither this file nor the folder of its own state.
const (
	ignoreFile = ".funcignore"
	stateDir   = ".azure"
)

// packed walks root as azd does: what is ignored is left out, and an ignored folder is not entered.
func packed(root string) ([]string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	rules, err := gitignore.NewFromFile(filepath.Join(root, ignoreFile))
	if err != nil {
		return nil, err
	}
	paths := []string{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		match := rules.Absolute(path, entry.IsDir())
		left := match != nil && match.Ignore()
		if entry.IsDir() {
			if left || entry.Name() == stateDir {
				return filepath.SkipDir
			}
			return nil
		}
		if left || entry.Name() == ignoreFile {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		paths = append(paths, filepath.ToSlash(relative))
		return err
	})
	return paths, err
}

type question struct {
	Texts   []string          `json:"texts"`
	Environ map[string]string `json:"environ"`
}

func substituted(asked question) ([]string, error) {
	filled := []string{}
	for _, text := range asked.Texts {
		one, err := envsubst.Eval(text, func(name string) string { return asked.Environ[name] })
		if err != nil {
			return nil, err
		}
		filled = append(filled, one)
	}
	return filled, nil
}

func answer() ([]string, error) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "pack":
		return packed(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "substitute":
		var asked question
		if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
			return nil, err
		}
		return substituted(asked)
	}
	return nil, fmt.Errorf("say: pack ROOT, or substitute")
}

func main() {
	said, err := answer()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(said)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
