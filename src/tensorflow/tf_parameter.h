/* tf_parameter.h -- the parameters of table entries that are not kinds of our own graph. */
#ifndef EBB_TENSORFLOW_TF_PARAMETER_H
#define EBB_TENSORFLOW_TF_PARAMETER_H

/* Binary functions with a way out where the plain one gives NaN. */
enum {
    TF_GUARD_DIV_NO_NAN, /* x / y, 0 where y is 0 */
    TF_GUARD_MUL_NO_NAN, /* x * y, 0 where y is 0 */
    TF_GUARD_XDIVY,      /* x / y, 0 where x is 0 */
    TF_GUARD_XLOGY,      /* x * log(y), 0 where x is 0 */
    TF_GUARD_XLOG1PY     /* x * log(1 + y), 0 where x is 0 */
};
enum { TF_BITWISE_AND, TF_BITWISE_OR, TF_BITWISE_XOR };
enum { TF_MATMUL_PLAIN, TF_MATMUL_BATCH };
enum { TF_POOL_MAX_2D, TF_POOL_AVERAGE_2D, TF_POOL_MAX_3D, TF_POOL_AVERAGE_3D };
/* _REF: the output is the variable itself. */
enum {
    TF_ASSIGN_SET,
    TF_ASSIGN_ADD,
    TF_ASSIGN_SUB,
    TF_ASSIGN_SET_REF,
    TF_ASSIGN_ADD_REF,
    TF_ASSIGN_SUB_REF
};

#endif
