// Package text reads documents from files of text and of JSON lines, compressed with gzip or not, block by
// block: memory does not grow with the files. A file of text is one document, or several where a separator
// divides it; a line of JSON is one.
package text
