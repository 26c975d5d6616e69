// Package mapped reads files through memory, so that they may be larger than it.
package mapped

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/edsrzf/mmap-go"
)

// Open maps a regular file, which is not empty, for reading. It stays mapped until Close, or the end of the process.
// The error names the file.
func Open(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, &fs.PathError{Op: "map", Path: path, Err: errors.New("it is not a regular file, or it is empty")}
	}
	data, err := mmap.Map(file, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be mapped into memory: %w", path, err)
	}
	return data, nil
}

// Close ends the mapping that Open returned.
func Close(data []byte) error {
	m := mmap.MMap(data)
	return m.Unmap()
}

// ErrFault says that what is mapped could not be read.
var ErrFault = errors.New("it cannot be read: it has been truncated since it was opened, or its disk fails")

// Guard calls read, which reads what is mapped, and returns ErrFault if the system has nothing to put there, which
// would end the process otherwise. It allocates nothing. A nil pointer in read is taken for the same: what tells them apart
// is the address alone, and some emulators have none.
func Guard(read func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if e, ok := r.(runtime.Error); !ok || !strings.Contains(e.Error(), "invalid memory address") {
			panic(r)
		}
		err = ErrFault
	}()
	read()
	return nil
}
