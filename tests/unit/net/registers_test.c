/* What a thread's vector registers held is gone. */
#include "registers.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

enum { REGISTERS = 16 };

#define EACH(one)                                                                                                      \
	one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11) one(12) one(13) one(14)  \
		one(15)
#define LOAD(n)	 "movdqu (%0),%%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n "," #n "*16(%0)\n\t"

static uint8_t mark[16] = "marked key, here", found[REGISTERS][16];

static void load(void)
{
	__asm__ volatile(EACH(LOAD)::"r"(mark) : "memory");
}

static void store(void)
{
	__asm__ volatile(EACH(STORE)::"r"(found) : "memory");
}

Test(registers, are_overwritten)
{
	static const uint8_t zeros[16];

	load();
	store();
	for (int i = 0; i < REGISTERS; i++)
		cr_assert_arr_eq(found[i], mark, sizeof mark, "what is there must be found");
	load();
	registers_wipe();
	store();
	for (int i = 0; i < REGISTERS; i++)
		cr_assert_arr_eq(found[i], zeros, sizeof zeros, "register %d", i);
}

#define LOAD_HIGH(n) "vmovdqu64 (%0),%%zmm" #n "\n\t"

/* Four of those that only AVX-512 has, in all their length. */
Test(registers, are_overwritten_up_to_avx_512)
{
	static uint8_t high[4][64], full[64];

	if (!__builtin_cpu_supports("avx512f"))
		cr_skip_test("this processor has no AVX-512");
	memset(full, 'k', sizeof full);
	__asm__ volatile(LOAD_HIGH(3) LOAD_HIGH(16) LOAD_HIGH(24) LOAD_HIGH(31)::"r"(full) : "memory");
	registers_wipe();
	__asm__ volatile("vmovdqu64 %%zmm3,(%0)\n\tvmovdqu64 %%zmm16,64(%0)\n\tvmovdqu64 %%zmm24,128(%0)\n\t"
			 "vmovdqu64 %%zmm31,192(%0)" ::"r"(high)
			 : "memory");
	for (size_t i = 0; i < sizeof high; i++)
		cr_assert_eq(((uint8_t *)high)[i], 0, "byte %zu", i);
}

#else

Test(registers, are_overwritten)
{
	registers_wipe();
}

#endif
