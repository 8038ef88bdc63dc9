/**
 * @file ebb.h
 * ebb: load, run and unload Keras models in one long-lived process. Includes the whole API.
 *
 *     ebb_runtime runtime; ebb_model model; ebb_error error;
 *     ebb_runtime_open(NULL, &runtime, &error);
 *     ebb_model_load(runtime, "model.keras", NULL, &model, &error);
 *     ebb_model_predict(model, &inputs, &outputs, &error);
 *     ebb_model_unload(model, NULL, &receipt, &error);      every byte is back
 *     ebb_runtime_close(runtime, &receipt);
 */
#ifndef EBB_H
#define EBB_H

#include "ebb/arrays.h"
#include "ebb/build.h"
#include "ebb/device.h"
#include "ebb/gradient.h"
#include "ebb/graph.h"
#include "ebb/infer.h"
#include "ebb/manage.h"
#include "ebb/memory.h"
#include "ebb/model.h"
#include "ebb/objects.h"
#include "ebb/parts.h"
#include "ebb/profile.h"
#include "ebb/runtime.h"
#include "ebb/shrink.h"
#include "ebb/status.h"
#include "ebb/tensor.h"
#include "ebb/train.h"

#endif
