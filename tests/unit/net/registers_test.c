/* What a thread's vector registers held is gone. */
#include "registers.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

#define EACH(one)                                                                                                      \
	one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11) one(12) one(13) one(14)  \
		one(15)
#define LOAD(n)	 "movdqu (%0),%%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n "," #n "*16(%0)\n\t"
#define KEPT(n)	 0
enum { REGISTERS = 16 };

#elif defined(__aarch64__)

#define EACH(one)                                                                                                      \
	one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11) one(12) one(13) one(14)  \
		one(15) one(16) one(17) one(18) one(19) one(20) one(21) one(22) one(23) one(24) one(25) one(26)        \
			one(27) one(28) one(29) one(30) one(31)
#define LOAD(n)	 "ldr q" #n ",[%0]\n\t"
#define STORE(n) "str q" #n ",[%0," #n "*16]\n\t"
/* Bytes that are the caller's own: the lower halves of 8 to 15 (AAPCS64, 6.1.2). */
#define KEPT(n)	 ((n) >= 8 && (n) < 16 ? 8 : 0)
enum { REGISTERS = 32 };

#endif

#if defined(EACH)

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
		cr_assert_arr_eq(found[i] + KEPT(i), zeros, sizeof zeros - KEPT(i), "register %d", i);
}

#else

Test(registers, are_overwritten)
{
	cr_skip_test("registers_wipe() does nothing on this processor");
}

#endif

#if defined(__x86_64__)

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

#endif
