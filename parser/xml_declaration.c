#include "xml_declaration.h"
#include "xml_char.h"

enum kind {
	LITERAL,  /* these bytes */
	NOCASE,	  /* these bytes in lower or upper case */
	SPACE,	  /* white space, at least one, and what follows it */
	EQUALS,	  /* = with white space around it, and a quote */
	CLOSE,	  /* the same quote */
	ENCODING, /* white space and the next literal, or the last */
	LAST	  /* the end, perhaps after white space */
};

static const struct step {
	enum kind kind;
	const char *text;
	enum xml_error error;
} steps[] = {
	{LITERAL, "<?xml", XML_ERROR_RESTRICTED}, {SPACE, "", XML_ERROR_RESTRICTED},
	{LITERAL, "version", XML_ERROR_SYNTAX},	  {EQUALS, "", XML_ERROR_SYNTAX},
	{LITERAL, "1.0", XML_ERROR_SYNTAX},	  {CLOSE, "", XML_ERROR_SYNTAX},
	{ENCODING, "", XML_ERROR_SYNTAX},	  {LITERAL, "encoding", XML_ERROR_SYNTAX},
	{EQUALS, "", XML_ERROR_SYNTAX},		  {NOCASE, "utf-8", XML_ERROR_ENCODING},
	{CLOSE, "", XML_ERROR_ENCODING},	  {LAST, "", XML_ERROR_SYNTAX},
	{LITERAL, "?>", XML_ERROR_SYNTAX},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static void step_next(struct xml_declaring *d, uint32_t step)
{
	d->step = (uint8_t)step;
	d->matched = 0;
	d->spaced = false;
}

static enum xml_error literal_take(struct xml_declaring *d, uint8_t c)
{
	const struct step *step = &steps[d->step];
	bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
	if ((step->kind == NOCASE && letter ? c | 0x20 : c) != (uint8_t)step->text[d->matched])
		return step->error;
	if (step->text[++d->matched] == '\0')
		step_next(d, d->step + 1u);
	return XML_ERROR_NONE;
}

static enum xml_error equals_take(struct xml_declaring *d, uint8_t c)
{
	if (byte_is_space(c))
		return XML_ERROR_NONE;
	if (d->matched == 0)
		return c == '=' ? d->matched = 1, XML_ERROR_NONE : XML_ERROR_SYNTAX;
	if (c != '\'' && c != '"')
		return XML_ERROR_SYNTAX;
	d->quote = c;
	step_next(d, d->step + 1u);
	return XML_ERROR_NONE;
}

/* After white space, or none: the end, or what may come before it. */
static enum xml_error turn_take(struct xml_declaring *d, uint8_t c, bool encoding)
{
	if (byte_is_space(c)) {
		d->spaced = true;
		return XML_ERROR_NONE;
	}
	if (c != '?' && (!d->spaced || (c != 's' && !(c == 'e' && encoding))))
		return XML_ERROR_SYNTAX;
	if (c == 's')
		return XML_ERROR_RESTRICTED;
	step_next(d, c == '?' ? STEPS - 1u : d->step + 1u);
	return literal_take(d, c);
}

enum xml_error xml_declaration_take(struct xml_declaring *d, uint8_t c, bool *ret_done)
{
	const struct step *step = &steps[d->step];
	enum xml_error error = XML_ERROR_NONE;
	if (step->kind == LITERAL || step->kind == NOCASE) {
		error = literal_take(d, c);
	} else if (step->kind == EQUALS) {
		error = equals_take(d, c);
	} else if (step->kind == CLOSE) {
		error = c == d->quote ? XML_ERROR_NONE : step->error;
		step_next(d, d->step + 1u);
	} else if (step->kind != SPACE) {
		error = turn_take(d, c, step->kind == ENCODING);
	} else if (byte_is_space(c)) {
		d->spaced = true;
	} else if (!d->spaced) {
		error = step->error;
	} else {
		step_next(d, d->step + 1u);
		error = literal_take(d, c);
	}
	*ret_done = d->step == STEPS;
	return error;
}
