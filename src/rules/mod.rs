//! Loads rule files, built in and from user directories; built-in functions; extension points.
