// Package token turns text into numbers and back: byte-level byte-pair encoding as GPT-2 has it.
//
// Text is cut into words by GPT-2's pattern, every word is taken as its bytes, and pairs of neighbours are
// merged, the pair that was learned first always first, until none is left that has been learned. Every
// sequence of bytes has an encoding, and decoding gives the same bytes back. Without merges it is text as
// bytes.
//
// Sennrich, Haddow and Birch, Neural Machine Translation of Rare Words with Subword Units, 2016; Radford et
// al., Language Models are Unsupervised Multitask Learners, 2019, §2.2. Files have the layout of
// https://github.com/huggingface/tokenizers (tokenizer.json).
package token
