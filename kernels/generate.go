package kernels

//go:generate go run ../asm -dir .
