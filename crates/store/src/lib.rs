//! Events kept: durable columns by kind and time, and bounded queries over them.
