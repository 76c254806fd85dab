#include "xml_reference.h"
#include "xml_char.h"

static const struct entity {
	char name[5];
	uint8_t len, code;
} entities[] = {{"lt", 2, '<'}, {"gt", 2, '>'}, {"amp", 3, '&'}, {"apos", 4, '\''}, {"quot", 4, '"'}};

static bool bytes_are(const uint8_t *p, const char *text, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (p[i] != (uint8_t)text[i])
			return false;
	return true;
}

static uint32_t entity_code(const uint8_t *p, uint32_t len)
{
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (entities[i].len == len && bytes_are(p, entities[i].name, len))
			return entities[i].code;
	return 0;
}

static int refuse(enum xml_error error, uint32_t at, enum xml_error *ret_error, uint32_t *ret_at)
{
	*ret_error = error;
	*ret_at = at;
	return -1;
}

/* A name that has grown past the longest of the five is another entity's, whatever follows. */
static int entity_read(const uint8_t *p, uint32_t avail, uint32_t *ret_code, enum xml_error *ret_error,
		       uint32_t *ret_at)
{
	for (uint32_t i = 0; i < avail; i++) {
		bool name = p[i] >= 0x80 || xml_class[p[i]] & (i == 0 ? XML_CLASS_START : XML_CLASS_NAME);
		if (name && (i == 4 || p[i] >= 0x80))
			return refuse(XML_ERROR_RESTRICTED, i, ret_error, ret_at);
		if (name)
			continue;
		if (p[i] != ';' || i == 0)
			return refuse(XML_ERROR_SYNTAX, i, ret_error, ret_at);
		*ret_code = entity_code(p, i);
		return *ret_code ? (int)i + 1 : refuse(XML_ERROR_RESTRICTED, i, ret_error, ret_at);
	}
	return 0;
}

static uint32_t digit_value(uint8_t c, uint32_t base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return base == 16 && c >= 'a' && c <= 'f' ? c - 'a' + 10u : base;
}

int xml_reference_read(const uint8_t *p, uint32_t avail, uint32_t *ret_code, enum xml_error *ret_error,
		       uint32_t *ret_at)
{
	if (avail == 0 || p[0] != '#')
		return entity_read(p, avail, ret_code, ret_error, ret_at);
	uint32_t base = avail > 1 && p[1] == 'x' ? 16 : 10, first = base == 16 ? 2 : 1, code = 0;
	for (uint32_t i = first; i < avail; i++) {
		uint32_t digit = digit_value(p[i], base);
		if (digit == base && (p[i] != ';' || i == first))
			return refuse(XML_ERROR_SYNTAX, i, ret_error, ret_at);
		if (digit == base && !xml_code_is_char(code))
			return refuse(XML_ERROR_REFERENCE, i, ret_error, ret_at);
		if (digit == base) {
			*ret_code = code;
			return (int)i + 1;
		}
		if (i - first == XML_REFERENCE_DIGITS_MAX)
			return refuse(XML_ERROR_REFERENCE, i, ret_error, ret_at);
		code = code > 0x10FFFF ? code : code * base + digit;
	}
	return 0;
}
