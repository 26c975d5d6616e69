// Package shards keeps tokens in files that are mapped into memory, so that a corpus may be larger than
// it, with a manifest that says what they are.
//
// A shard is tokens one after the other, little-endian, of 1, 2 or 4 bytes each, without a header; a
// directory has those of a training and of a validation part. manifest.json is written last: a directory
// without it is not complete.
package shards
