//! Device registers, DMA memory and rings
