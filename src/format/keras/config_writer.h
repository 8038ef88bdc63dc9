/* config_writer.h -- configurations as Keras 3 serializes them: {"module", "class_name", "config",
 * "registered_name", "name", "inbound_nodes"}, out of the tree of description.h.
 *
 * Failure is sticky, in `status`; a text that found no memory says so itself. */
#ifndef EBB_FORMAT_KERAS_CONFIG_WRITER_H
#define EBB_FORMAT_KERAS_CONFIG_WRITER_H

#include "format/description.h"

typedef enum config_grammar {
    GRAMMAR_KERAS_3, /* as Keras 3 serializes */
    GRAMMAR_COMMON   /* what Keras 3 and Keras 2 both read in .h5; refuses what either does not */
} config_grammar;

typedef struct config_writer {
    region *home; /* for what is needed meanwhile */
    config_grammar grammar;
    text_writer *text;
    uint32_t keras_major; /* of the configurations */
    bool is_upgraded;     /* objects in them lack what Keras 3 wants to know: it is added */
    bool drops_lora;      /* the weights hold what LoRA added */
    const char *where;    /* the layer at work */
    const char *class_name;
    ebb_status status;
    ebb_error *error;
} config_writer;

/* -- config_common.c --------------------------------------------------------------------------- */

/* In GRAMMAR_COMMON: the name a config field of the class at work goes by; NULL: it is left out,
 * because it says nothing. Refuses what Keras 2 does not know. Otherwise `key`. */
const char *common_key(config_writer *c, const char *key, const json *value);
/* The class of an initializer, under its older name in GRAMMAR_COMMON. */
const char *common_part_class(const config_writer *c, const char *class_name);
/* Refuses a class that Keras 2 does not have; in GRAMMAR_COMMON only. */
void common_class_check(config_writer *c, const char *class_name);
/* Refuses a layer, or a call, that the common grammar has no words for. */
void common_layer_check(config_writer *c, const layer_config *layer);
/* Calls as lists of [layer, node, tensor, {keywords}]. */
void common_call_put(config_writer *c, const model_config *m, const call_config *call);

/* ---------------------------------------------------------------------------------------------- */

/* A JSON value under `key` (NULL: none), with what the flags ask for. */
void config_value_put(config_writer *c, const char *key, const json *value);
/* A name, without slashes. */
void config_name_put(config_writer *c, const char *name);
/* The members of an object but those in `without` ("|a|b|"); with a comma before the first unless
 * `is_first`. */
void config_members_put(config_writer *c, const json *object, const char *without, bool is_first);
/* The same of a layer's config. */
void config_fields_put(config_writer *c, const char *class_name, const json *config,
                       const char *without, bool is_first);
/* {"class_name": ...} of a layer inside another's config; may be a whole model. */
void config_layer_put(config_writer *c, const json *object);
/* A whole model: module, class_name, config, registered_name. The object stays open: close it with
 * '}' after further members. */
void config_model_begin(config_writer *c, const model_config *m);
/* Its "config" alone. */
void config_model_put(config_writer *c, const model_config *m);
/* E_UNSUPPORTED: Keras 3 has no words for it. */
void config_refuse(config_writer *c, const char *format, ...) EBB_PRINTF(2, 3);

#endif
