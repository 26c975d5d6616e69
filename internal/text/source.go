package text

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Source is a file of documents.
type Source struct {
	Path  string
	Lines bool  // of JSON, a document each
	Gzip  bool  // compressed
	Size  int64 // of the file
	Named bool  // by the user, not found in a directory
}

// Find returns the sources that the arguments name: files, directories with all that is below them, and
// patterns (filepath.Match). Each is there once, in the order of the arguments, directories and patterns
// in the order of the slash-separated paths. Hidden files and directories below a directory are left out, and
// directories that skip wants to be, unless it is nil.
func Find(args []string, skip func(dir string) bool) ([]Source, error) {
	var all []Source
	seen := map[string]bool{}
	add := func(path string, info fs.FileInfo, named bool) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			real = path
		}
		if abs, err := filepath.Abs(real); err == nil {
			real = abs
		}
		if !seen[real] {
			seen[real] = true
			all = append(all, source(path, info.Size(), named))
		}
	}
	for _, arg := range args {
		paths := []string{arg}
		if _, err := os.Stat(arg); err != nil {
			if !strings.ContainsAny(arg, "*?[") {
				return nil, plain(err)
			}
			if paths, err = filepath.Glob(arg); err != nil {
				return nil, fmt.Errorf("%s: %w", arg, err)
			}
			if len(paths) == 0 {
				return nil, fmt.Errorf("%s: no file matches", arg)
			}
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			switch {
			case err != nil:
				return nil, plain(err)
			case info.IsDir():
				if err := walk(path, skip, add); err != nil {
					return nil, plain(err)
				}
			case !info.Mode().IsRegular():
				return nil, fmt.Errorf("%s is neither a regular file nor a directory", path)
			case strings.HasSuffix(strings.ToLower(path), ".parquet"):
				return nil, fmt.Errorf("%s: Parquet is not read: convert it to JSON lines (in Python: pandas.read_parquet(f).to_json(g, orient=\"records\", lines=True))", path)
			default:
				add(path, info, true)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no files are there", strings.Join(args, " "))
	}
	return all, nil
}

// walk adds the regular files below root.
func walk(root string, skip func(dir string) bool, add func(string, fs.FileInfo, bool)) error {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	type file struct {
		path string
		info fs.FileInfo
	}
	var files []file
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := path != root && strings.HasPrefix(e.Name(), ".")
		if e.IsDir() && (hidden || path != root && skip != nil && skip(path)) {
			return fs.SkipDir
		}
		if hidden || !e.Type().IsRegular() {
			return nil
		}
		info, err := e.Info()
		files = append(files, file{path, info})
		return err
	})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(filepath.ToSlash(a.path), filepath.ToSlash(b.path)) })
	for _, f := range files {
		add(f.path, f.info, false)
	}
	return err
}

// source takes from the name what a file holds.
func source(path string, size int64, named bool) Source {
	s := Source{Path: path, Size: size, Named: named}
	name := strings.ToLower(path)
	if strings.HasSuffix(name, ".gz") {
		s.Gzip = true
		name = strings.TrimSuffix(name, ".gz")
	}
	s.Lines = strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson")
	return s
}

// plain drops the name of the system call from err.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}
