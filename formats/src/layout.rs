//! The one macro that turns a list of fields into a struct, a byte codec and a table of offsets.
//!
//! Own formats are little-endian and unpadded: the first field listed sits at byte 0 and at bit 0,
//! so the same list serves bytes, wires and the reference page. Odd widths (`u24`, `u40`, `u48`)
//! are held in the next larger integer; bits above the width are cut when encoded.

/// Where one field of a layout lies, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name, as in the Rust struct.
    pub name: &'static str,
    /// Bytes from the start of the layout.
    pub offset: usize,
    /// Width in bytes.
    pub size: usize,
    /// One sentence for the reference page.
    pub text: &'static str,
}

/// One declared layout, for the reference page and the formats digest.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The layout's name.
    pub name: &'static str,
    /// One sentence for the reference page.
    pub text: &'static str,
    /// Size in bytes.
    pub size: usize,
    /// Fields in the order of their offsets.
    pub fields: &'static [Field],
}

/// The Rust type that holds a field type.
#[macro_export]
#[doc(hidden)]
macro_rules! field_type {
    (u8) => {
        u8
    };
    (u16) => {
        u16
    };
    (u24) => {
        u32
    };
    (u32) => {
        u32
    };
    (u40) => {
        u64
    };
    (u48) => {
        u64
    };
    (u64) => {
        u64
    };
    (u128) => {
        u128
    };
}

/// The width of a field type in bytes.
#[macro_export]
#[doc(hidden)]
macro_rules! field_size {
    (u8) => {
        1
    };
    (u16) => {
        2
    };
    (u24) => {
        3
    };
    (u32) => {
        4
    };
    (u40) => {
        5
    };
    (u48) => {
        6
    };
    (u64) => {
        8
    };
    (u128) => {
        16
    };
}

/// Declares a layout: `layout! { /// text  Name [size] { /// text  field: u16, … } }`.
///
/// Expands to a plain struct with `SIZE`, `LAYOUT`, `encode` and `decode`; a size that differs from
/// the sum of its fields does not compile.
#[macro_export]
macro_rules! layout {
    ($(#[doc = $text:literal])+ $Name:ident [$size:literal] {
        $($(#[doc = $field_text:literal])+ $field:ident : $ty:ident),+ $(,)?
    }) => {
        $(#[doc = $text])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $Name { $($(#[doc = $field_text])+ pub $field: $crate::field_type!($ty)),+ }

        impl $Name {
            /// Encoded size in bytes.
            pub const SIZE: usize = $size;
            /// Name, text and fields of this layout.
            pub const LAYOUT: $crate::layout::Layout = $crate::layout::Layout {
                name: stringify!($Name),
                text: concat!($($text),+),
                size: $size,
                fields: &{
                    let mut fields = [$($crate::layout::Field {
                        name: stringify!($field),
                        offset: 0,
                        size: $crate::field_size!($ty),
                        text: concat!($($field_text),+),
                    }),+];
                    let mut i = 1;
                    while i < fields.len() {
                        fields[i].offset = fields[i - 1].offset + fields[i - 1].size;
                        i += 1;
                    }
                    fields
                },
            };
            /// Writes the layout's bytes.
            #[inline]
            pub fn encode(&self, out: &mut [u8; $size]) {
                let mut _offset = 0;
                if $size <= 16 {
                    // One number is made without leaving the registers.
                    let mut number = 0u128;
                    $(
                        let value = u128::from(self.$field) & u128::MAX >> (128 - 8 * $crate::field_size!($ty));
                        number |= value << (8 * _offset);
                        _offset += $crate::field_size!($ty);
                    )+
                    out.iter_mut().zip(number.to_le_bytes()).for_each(|(out, byte)| *out = byte);
                } else {
                    $(
                        out[_offset.._offset + $crate::field_size!($ty)]
                            .copy_from_slice(&self.$field.to_le_bytes()[..$crate::field_size!($ty)]);
                        _offset += $crate::field_size!($ty);
                    )+
                }
            }
            /// Reads the layout back; every bit pattern is a value.
            #[inline]
            pub fn decode(bytes: &[u8; $size]) -> Self {
                let mut _offset = 0;
                $(
                    let mut wide = [0u8; core::mem::size_of::<$crate::field_type!($ty)>()];
                    wide[..$crate::field_size!($ty)]
                        .copy_from_slice(&bytes[_offset.._offset + $crate::field_size!($ty)]);
                    let $field = <$crate::field_type!($ty)>::from_le_bytes(wide);
                    _offset += $crate::field_size!($ty);
                )+
                Self { $($field),+ }
            }
        }
        const _: () = assert!($size == 0 $(+ $crate::field_size!($ty))+);
    };
}
