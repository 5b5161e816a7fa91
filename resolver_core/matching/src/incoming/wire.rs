//! Protobuf's wire format, as far as plain messages go: fields below 16, varints and byte strings. `None` is anything else.

/// Of a varint that gives a length; other readers refuse longer ones, whatever they say.
const MOST_LENGTH_BYTES: usize = 5;

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }

    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Number(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }

    pub(super) fn text(self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// The fields of a message in their order, each as its number and value; `None` once where the bytes are not plain.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte only one bit is left.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u8, Value<'a>)> {
        let tag = self.byte().filter(|&tag| tag < 0x80)?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            2 => {
                let before = self.0.len();
                let length = usize::try_from(self.varint()?).ok()?;
                if before - self.0.len() > MOST_LENGTH_BYTES {
                    return None;
                }
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u8, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Fills a field that a plain message has once at most.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Vec<(u8, Option<u64>)>> {
        Fields(bytes).map(|field| field.map(|(number, value)| (number, value.number()))).collect()
    }

    #[test]
    fn plain_fields() {
        assert_eq!(read(&[]), Some(vec![]));
        assert_eq!(read(&[0x08, 0x96, 0x01, 0x12, 1, b'a']), Some(vec![(1, Some(150)), (2, None)]));
        assert_eq!(read(&[0x12, 0x81, 0x80, 0x80, 0x80, 0x00, b'a']), Some(vec![(2, None)]));
        let most = [&[0x08][..], &[0xff; 9], &[0x01]].concat();
        assert_eq!(read(&most), Some(vec![(1, Some(u64::MAX))]));
    }

    #[test]
    fn anything_else() {
        let long = [0x12, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, b'a'];
        let (beyond, endless) = ([&[0x08][..], &[0xff; 9], &[0x02]].concat(), [&[0x08][..], &[0xff; 11]].concat());
        for bytes in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x12, 2, b'a'],
            &[0x0b],
            &[0x0c],
            &[0x0d, 0, 0, 0, 0],
            &[0x09, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x80, 0x01, 0],
            &beyond,
            &endless,
            &long,
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }
}
