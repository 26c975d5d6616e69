// Package safetensors reads and writes safetensors files of float32 tensors, also as halves, as streams, with digests
// that tell a damaged file.
//
// A file is the length of the header (8 bytes, little-endian), the header (JSON: the name of each tensor
// with its type, shape and place, and strings under __metadata__), and the data, which the tensors cover
// without gaps or overlaps. The layout is that of https://github.com/huggingface/safetensors#format;
// whatever reads that format reads these files.
package safetensors
