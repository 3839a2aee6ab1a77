//! The same batches on the other side: how events leave a sensor.
