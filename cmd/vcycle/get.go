package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
)

// dataSet is a public data set whose address and content are known.
type dataSet struct {
	name, file, url string
	size            int64
	sha256          string // of what is downloaded
	member          string // of the zip archive that is downloaded, which becomes file; empty: it is the file
	licence         string
	about           string
}

// dataSets are those that `vcycle data get` knows.
var dataSets = []dataSet{
	{
		name: "tinyshakespeare", file: "tinyshakespeare.txt",
		url:  "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
		size: 1115394, sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
		licence: "public domain", about: "40,000 lines of Shakespeare, the usual small benchmark",
	},
	{
		name: "enwik8", file: "enwik8.txt",
		url:  "https://mattmahoney.net/dc/enwik8.zip",
		size: 36445475, sha256: "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
		member: "enwik8", licence: "CC BY-SA and GFDL (Wikipedia)", about: "the first 100 MB of the English Wikipedia of 2006, with markup",
	},
}

// getCmd downloads a data set.
type getCmd struct {
	Name string `arg:"" optional:"" help:"Name of the data set. Without: lists what there is."`
	Out  string `placeholder:"FILE" help:"File to write. Default: the name of the data set with .txt, in this directory."`
}

// Help is the detailed help.
func (getCmd) Help() string {
	var b strings.Builder
	b.WriteString("A download that was interrupted is continued. The file appears under its name only when its SHA-256 is the right one; until then it is " +
		"FILE.part. A file that is there under that name is taken for the beginning of the download, and written to or removed.\n")
	for _, d := range dataSets {
		fmt.Fprintf(&b, "\n  %s: %s; %s, %s\n", d.name, d.about, byteSize(float64(d.size)), d.licence)
	}
	return b.String() + "\nExamples:\n\n  vcycle data get tinyshakespeare\n\n" + exitCodes
}

// Run downloads and verifies.
func (c *getCmd) Run(s *session) error {
	var names []string
	for _, d := range dataSets {
		names = append(names, d.name)
	}
	if c.Name == "" {
		for _, d := range dataSets {
			fmt.Fprintf(s.stdout, "%-16s %s; %s, %s\n", d.name, d.about, byteSize(float64(d.size)), d.licence)
		}
		return nil
	}
	i := slices.Index(names, c.Name)
	if i < 0 {
		return badf("%q is not known%s: there are %s", c.Name, didYouMean(c.Name, names), strings.Join(names, ", "))
	}
	return dataSets[i].get(s, c.Out)
}

// get writes the data set to out.
func (d dataSet) get(s *session, out string) error {
	if out == "" {
		out = d.file
	}
	if _, err := os.Lstat(out); err == nil {
		if d.member == "" {
			if sum, err := fileSHA256(out); err == nil && sum == d.sha256 {
				fmt.Fprintf(s.stdout, "%s is there and right\n", out)
				return nil
			}
		}
		return badf("%s is there: remove it, or choose another file with --out", out)
	}
	part := out + ".part"
	if err := d.download(s, part); err != nil {
		if s.ctx.Err() != nil {
			fmt.Fprintf(s.stdout, "interrupted; the same command continues\n")
			return errInterrupted
		}
		return err
	}
	if err := d.unpack(part, out); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%s: %s; licence: %s\n", out, d.about, d.licence)
	return nil
}

// download completes the file part and verifies it. One that is wrong is removed.
func (d dataSet) download(s *session, part string) error {
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return badInput{plainPathError(err)}
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	have := info.Size()
	if have > d.size {
		have = 0
	}
	if have < d.size {
		if err := d.fetch(s, file, have); err != nil {
			return err
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	sum, err := fileSHA256(part)
	if err != nil {
		return err
	}
	if sum != d.sha256 {
		file.Close()
		os.Remove(part)
		return fmt.Errorf("what %s sent is not the data set: its SHA-256 is %.12s…, not %.12s…; it has been removed, try again", d.url, sum, d.sha256)
	}
	return nil
}

// fetch writes to file what it lacks.
func (d dataSet) fetch(s *session, file *os.File, have int64) error {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "vcycle/"+version())
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: time.Minute, TLSHandshakeTimeout: time.Minute, ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("downloading: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK: // from the beginning, asked for or not
		have = 0
	case http.StatusPartialContent:
		var from int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != have {
			return fmt.Errorf("%s sends %q where bytes from %d on were asked for", d.url, resp.Header.Get("Content-Range"), have)
		}
	default:
		return fmt.Errorf("%s answers %s", d.url, resp.Status)
	}
	if err := file.Truncate(have); err != nil {
		return err
	}
	if _, err := file.Seek(have, io.SeekStart); err != nil {
		return err
	}
	bar := newBar(s.stdout, "download", d.size)
	bar.add(have)
	defer bar.done()
	// One byte more than there should be tells that it is something else.
	n, err := io.Copy(io.MultiWriter(file, bar), io.LimitReader(resp.Body, d.size-have+1))
	if err != nil {
		return fmt.Errorf("downloading: %w; the same command continues after %s", err, byteSize(float64(have+n)))
	}
	if have+n < d.size {
		return fmt.Errorf("downloading: %s ended after %d of %d bytes; the same command continues", d.url, have+n, d.size)
	}
	return nil
}

// unpack makes out of the file part.
func (d dataSet) unpack(part, out string) error {
	if d.member == "" {
		return os.Rename(part, out)
	}
	z, err := zip.OpenReader(part)
	if err != nil {
		return fmt.Errorf("%s: %w", part, err)
	}
	defer z.Close()
	in, err := z.Open(d.member)
	if err != nil {
		return fmt.Errorf("%s: %w", part, err)
	}
	defer in.Close()
	err = atomicfile.Write(out, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
	if err != nil {
		return err
	}
	z.Close()
	return os.Remove(part)
}

// fileSHA256 returns the digest of a file in hexadecimal.
func fileSHA256(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
