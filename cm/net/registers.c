#include "registers.h"

#if defined(__x86_64__)

#define XMM(n) "pxor %%xmm" #n ",%%xmm" #n "\n\t"
#define ZMM(n) "vpxord %%zmm" #n ",%%zmm" #n ",%%zmm" #n "\n\t"
#define LOW                                                                                                            \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",     \
		"xmm13", "xmm14", "xmm15"
#ifdef __AVX512F__
#define HIGH                                                                                                           \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",  \
		"xmm28", "xmm29", "xmm30", "xmm31"
#else
#define HIGH /* which the compiler does not use then */
#endif

void registers_wipe(void)
{
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::: LOW);
	else
		__asm__ volatile(XMM(0) XMM(1) XMM(2) XMM(3) XMM(4) XMM(5) XMM(6) XMM(7) XMM(8) XMM(9) XMM(10) XMM(11)
					 XMM(12) XMM(13) XMM(14) XMM(15)::
						 : LOW);
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile(ZMM(16) ZMM(17) ZMM(18) ZMM(19) ZMM(20) ZMM(21) ZMM(22) ZMM(23) ZMM(24) ZMM(25) ZMM(26)
					 ZMM(27) ZMM(28) ZMM(29) ZMM(30) ZMM(31)::
						 : LOW HIGH);
}

#elif defined(__aarch64__)

#define V(n) "movi v" #n ".16b, #0\n\t"

void registers_wipe(void)
{
	__asm__ volatile(
		V(0) V(1) V(2) V(3) V(4) V(5) V(6) V(7) V(8) V(9) V(10) V(11) V(12) V(13) V(14) V(15) V(16) V(17) V(18)
			V(19) V(20) V(21) V(22) V(23) V(24) V(25) V(26) V(27) V(28) V(29) V(30) V(31)::
				: "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
				  "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",
				  "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

#else

void registers_wipe(void)
{
}

#endif
