/* A timer of one library's sgemm for docs/peers.sh: reads products, a line "m n k ta tb" each (row-major,
 * ta and tb are n or t), and writes "LIBRARY m n k ta tb GFLOPS" for each: the best of several batches.
 *
 * On Debian, with libopenblas-dev, libblis-dev and libdnnl-dev, and d=/usr/lib/$(gcc -print-multiarch):
 *
 *	gcc -O2 -DLIBRARY='"openblas"' docs/peers.c -o openblas -I/usr/include/$(gcc -print-multiarch)/openblas-pthread \
 *		-L$d/openblas-pthread -lopenblas -Wl,-rpath,$d/openblas-pthread
 *	gcc -O2 -DLIBRARY='"blis"' docs/peers.c -o blis -I/usr/include/$(gcc -print-multiarch)/openblas-pthread \
 *		-L$d/blis-openmp -l:libblis.so.4 -Wl,-rpath,$d/blis-openmp
 *	gcc -O2 -DLIBRARY='"onednn"' -DDNNL docs/peers.c -o onednn -ldnnl
 */
#ifdef DNNL
#include <dnnl.h>
#else
#include <cblas.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { batches = 8 };

/* seconds is a clock: with one thread, of the time that it ran, as vcycle bench has it. */
static double seconds(void) {
	const char *threads = getenv("OMP_NUM_THREADS");
	struct timespec now;
	clock_gettime(threads && atoi(threads) == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/* operand returns a matrix of n elements between -1 and 1 that starts a cache line. */
static float *operand(size_t n) {
	void *x;
	if (posix_memalign(&x, 64, n * sizeof(float)) != 0) {
		perror("posix_memalign");
		exit(1);
	}
	for (size_t i = 0; i < n; i++)
		((float *)x)[i] = 2.0f * rand() / RAND_MAX - 1;
	return x;
}

static void product(int m, int n, int k, int ta, int tb, const float *a, const float *b, float *c) {
	int lda = ta ? m : k, ldb = tb ? k : n;
#ifdef DNNL
	dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1, a, lda, b, ldb, 0, c, n);
#else
	cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, 1, a, lda, b, ldb, 0, c, n);
#endif
}

int main(void) {
	const double whole = getenv("SECONDS") ? atof(getenv("SECONDS")) : 0.1;
	int m, n, k;
	char ta, tb;
	while (scanf("%d %d %d %c %c", &m, &n, &k, &ta, &tb) == 5) {
		float *a = operand((size_t)m * k), *b = operand((size_t)k * n), *c = operand((size_t)m * n);
		product(m, n, k, ta == 't', tb == 't', a, b, c); /* the first is slow */
		double start = seconds();
		product(m, n, k, ta == 't', tb == 't', a, b, c);
		double best = seconds() - start;
		long calls = 1 + (long)(whole / batches / best);
		double left = whole;
		do {
			start = seconds();
			for (long i = 0; i < calls; i++)
				product(m, n, k, ta == 't', tb == 't', a, b, c);
			double t = seconds() - start;
			left -= t;
			if (t / calls < best)
				best = t / calls;
		} while (left > 0);
		printf("%s %d %d %d %c %c %.2f\n", LIBRARY, m, n, k, ta, tb, 2e-9 * m * n * k / best);
		fflush(stdout);
		free(a);
		free(b);
		free(c);
	}
	return 0;
}
