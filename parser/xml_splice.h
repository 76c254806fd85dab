/*
 * splice: an accepted element with its start tag changed: attributes read, put in, taken out, replaced, without
 * writing the rest anew. What comes out is a list of pieces, most of them the element's own bytes; nothing is copied
 * and nothing allocated.
 *
 *     struct xml_splice splice;
 *     struct xml_piece pieces[XML_PIECES_MAX];
 *
 *     xml_splice_begin(&splice, bytes, &event);
 *     xml_splice_insert(&splice, " from='a@b'", 11);
 *     if (event.from_whole.at)
 *         xml_splice_remove(&splice, event.from_whole);
 *     count = xml_splice_pieces(&splice, pieces);
 *
 * All places are offsets into the buffer that xml_next() was given, which must stay as it was. The texts put in must
 * live as long as the pieces. They are not looked at: that an attribute put in is whole, begins with white space, and
 * is not there already is the caller's part (xml_escape() makes values).
 */
#ifndef PARSER_XML_SPLICE_H
#define PARSER_XML_SPLICE_H

#include "xml.h"

/* An attribute of a start tag. */
struct xml_attribute_place {
	struct xml_range name;	/* qualified */
	struct xml_range value; /* raw, between the quotes */
	struct xml_range
		whole; /* with the white space before it, '=' and quotes: taken out, the tag is right without it */
};

/*
 * Reads the attributes of a start tag one by one, namespace declarations included. *at is the place behind the
 * element's qualified name at first (event.insert_at, or the end of event.child), and is moved behind the attribute.
 * False: the tag ends at *at, perhaps after white space; *ret was not touched. The bytes must be of an accepted item.
 */
bool xml_attribute_next(const uint8_t *bytes, uint32_t *at, struct xml_attribute_place *ret);

/* The attribute of the item's own start tag with this qualified name. False: there is none; *ret was not touched. */
bool xml_attribute_find(const uint8_t *bytes, const struct xml_event *, const char *name,
			struct xml_attribute_place *ret);

enum { XML_CUTS_MAX = 16, XML_PIECES_MAX = 2 * XML_CUTS_MAX + 1 };

struct xml_piece {
	const uint8_t *at;
	size_t len;
};

/* Its fields are not for the caller. */
struct xml_splice {
	const uint8_t *bytes;
	const struct xml_event *event;
	size_t count;
	struct xml_cut {
		struct xml_range out;  /* what is left out; of no length: only a place */
		struct xml_piece text; /* what is there instead */
	} cuts[XML_CUTS_MAX];
};

/* Begins with the element as it is. It refers to the bytes and the event, which is XML_ELEMENT, until the last piece
 * was used. */
void xml_splice_begin(struct xml_splice *, const uint8_t *bytes, const struct xml_event *);

/* Puts a text behind the qualified name, and behind what was put there before. */
void xml_splice_insert(struct xml_splice *, const void *text, size_t len);

/* Takes out an attribute: event.from_whole, or `whole` of a struct xml_attribute_place. None may be taken out twice. */
void xml_splice_remove(struct xml_splice *, struct xml_range whole);

/* Puts a text in the place of an attribute (with its white space), or of its value (without). */
void xml_splice_replace(struct xml_splice *, struct xml_range, const void *text, size_t len);

/*
 * Puts in the declarations of the stream header that the element relies on (see xml_scope.h), so that it is a document
 * of its own behind a header without them. Nothing, for most elements.
 */
void xml_splice_declarations(struct xml_splice *);

/*
 * The element with all changes, in order; none of the pieces is empty. At most XML_CUTS_MAX changes fit, of which
 * xml_splice_declarations() makes up to XML_SCOPE_RUNS_MAX.
 */
size_t xml_splice_pieces(const struct xml_splice *, struct xml_piece ret[static XML_PIECES_MAX]);

#endif
