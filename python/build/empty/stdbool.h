/* Stands in for the system's header while the declarations are read: cffi knows these types. */
