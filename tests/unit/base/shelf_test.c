#include "shelf.h"

#include <criterion/criterion.h>
#include <string.h>

Test(shelf, blocks_are_aligned_and_apart)
{
	static const size_t lengths[] = {1, 15, 16, 17, 50, 144, 176, 208, 255, 256};
	enum { LENGTHS = sizeof lengths / sizeof lengths[0], EACH = 100 };
	uint8_t *blocks[EACH][LENGTHS];
	struct shelf shelf;

	shelf_init(&shelf, true);
	for (size_t n = 0; n < EACH; n++)
		for (size_t i = 0; i < LENGTHS; i++) {
			blocks[n][i] = shelf_take(&shelf, lengths[i]);
			cr_assert_eq((uintptr_t)blocks[n][i] % SHELF_STEP, 0);
			memset(blocks[n][i], (int)(n + i), lengths[i]);
		}
	for (size_t n = 0; n < EACH; n++)
		for (size_t i = 0; i < LENGTHS; i++)
			for (size_t at = 0; at < lengths[i]; at++)
				cr_assert_eq(blocks[n][i][at], (uint8_t)(n + i));
	shelf_done(&shelf);
}

/* The sum is what a table of memory is made from: it must be exact. */
Test(shelf, counts_what_it_takes_and_no_headers)
{
	struct shelf shelf = {0};

	cr_assert_eq(shelf_bytes(&shelf), 0);
	for (int i = 0; i < 1000; i++)
		shelf_take(&shelf, 50);
	cr_assert_eq(shelf_bytes(&shelf), 64 * 1000);
	shelf_done(&shelf);
	cr_assert_eq(shelf_bytes(&shelf), 0);
}

Test(shelf, a_block_given_back_serves_its_step_again_and_no_other)
{
	struct shelf shelf = {0};
	void *first = shelf_take(&shelf, 33), *second = shelf_take(&shelf, 48);

	shelf_give(&shelf, first, 33);
	shelf_give(&shelf, second, 48);
	cr_assert_neq(shelf_take(&shelf, 32), second);
	cr_assert_neq(shelf_take(&shelf, 49), second);
	cr_assert_eq(shelf_take(&shelf, 40), second, "the last first");
	cr_assert_eq(shelf_take(&shelf, 40), first);
	cr_assert_eq(shelf_bytes(&shelf), 48 + 48 + 32 + 64);
	shelf_done(&shelf);
}

Test(shelf, long_blocks_come_and_go)
{
	struct shelf shelf = {0};
	uint8_t *block = shelf_take(&shelf, 3000);

	memset(block, 1, 3000);
	cr_assert_eq(shelf_bytes(&shelf), 3000);
	shelf_give(&shelf, block, 3000);
	cr_assert_eq(shelf_bytes(&shelf), 0);
	shelf_give(&shelf, NULL, 10);
	shelf_done(&shelf);
}

Test(shelf, pieces_follow_each_other)
{
	enum { BLOCKS = 3 * SHELF_PIECE_BYTES / 256 };
	static uint8_t *blocks[BLOCKS];
	struct shelf shelf = {0};

	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = shelf_take(&shelf, 256);
		memset(blocks[i], (int)i, 256);
	}
	for (size_t i = 0; i < BLOCKS; i++)
		cr_assert(blocks[i][0] == (uint8_t)i && blocks[i][255] == (uint8_t)i);
	cr_assert_eq(shelf_bytes(&shelf), (size_t)BLOCKS * 256);
	shelf_done(&shelf);
}
