// Package multilevel trains a Transformer on a hierarchy of depths.
//
// The depth of the network discretises an ordinary differential equation dx/dt = F(x; θ(t)), so that N
// blocks are N Euler steps of size h and fewer blocks are a coarser grid for the same problem. A step on
// a coarse grid costs a fraction of one on the fine grid; what it learns is carried over by a
// [Prolong]ation of θ(t) and of the optimizer's state:
//
//	θ_fine = P·θ_coarse,   θ_coarse = R·θ_fine
//
// Levels may differ in width and context, too.
//
//	level.go hierarchy.go   Level, Hierarchy: the grids, coarse to fine, and the steps on each
//	operator.go transfer.go Operator: P and R as rows of weights; Prolong, Restrict on parameters and moments
//	width.go                R and P in width, and in the context
//	grid.go                 Regrid: a network on another grid over its interval, θ(t) piecewise constant or linear
//	plan.go                 Plan, Stage, Arrival: the order in which the levels are visited, and how they are entered
//	schedule.go cycle.go    the schedules, a few lines each; corrections, first-order coherence, line search
//	adaptive.go decision.go the schedule that decides itself, and what it says about that
//	patience.go             Observe: a run that learns no more is cut short
//	options.go              Options: everything that determines a run, as plain data
//	source.go windows.go    Source: batches as a function of seed and step; Bytes, and Windows over tokens on disk
//	batches.go              the batch of the next step is read during this one
//	trainer.go metrics.go   Trainer: the loop over a plan, and the account of operations and time per level
//	guard.go                steps whose loss or gradient is not finite or jumps: skipped, rolled back, diagnosed
//	memory.go               Memory: the most that a run has at a time
//	checkpoint.go           Save, Resume: the same bits as without the interruption
//
// That a Transformer's depth can be coarsened and refined during training, and saves operations, is the
// claim of Lauga, Chaumette, Desainte-Maréville, Lasalle and Lebeurrier, A Multilevel Approach to
// Accelerate the Training of Transformers, 2025, arXiv:2504.18590. Before it, residual networks were
// refined in the same way: Chang et al., Multi-level Residual Networks from Dynamical Systems View, ICLR
// 2018; Haber and Ruthotto, Stable Architectures for Deep Neural Networks, 2017, arXiv:1705.03341; Cyr,
// Günther and Schroder, Multilevel Initialization for Layer-Parallel Deep Neural Network Training, 2019,
// arXiv:1912.08974. Growing Transformers without the equation: Gong et al. (StackBERT), ICML 2019; Shen
// et al., Staged Training for Transformer Language Models, 2022, arXiv:2203.06211; Du et al., Stacking
// Your Transformers (G_stack), NeurIPS 2024, arXiv:2405.15319; Zou et al., A Multi-Level Framework for
// Accelerating Training Transformer Models, ICLR 2024. Gains shrink as the budget grows: Kaddour et al.,
// No Train No Gain, NeurIPS 2023, arXiv:2307.06440. A saving therefore has to be read beside two
// controls, the fine and the coarse network trained alone for the same time.
package multilevel
