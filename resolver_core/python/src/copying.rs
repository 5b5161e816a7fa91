//! Rows as `COPY … (FORMAT binary)` of a `PostgreSQL` server reads them: for every row the number of its fields, and every field after its length.

const INT4: i32 = 23;
const INT8: i32 = 20;
const UUID: i32 = 2950;
const ABSENT: i32 = -1;

/// A length or a count; nothing that is copied is longer.
fn short(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Rows that are being written.
#[derive(Debug, Default)]
pub struct Rows {
    bytes: Vec<u8>,
}

impl Rows {
    /// None yet, and room for so many bytes.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Begins a row of so many fields.
    pub fn row(&mut self, fields: i16) -> &mut Self {
        self.bytes.extend_from_slice(&fields.to_be_bytes());
        self
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(&short(bytes.len()).to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A field without a value.
    pub fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&ABSENT.to_be_bytes());
        self
    }

    /// `bytea`, or a text.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.field(value.as_ref())
    }

    /// A text that may be absent.
    pub fn text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(text) => self.field(text.as_bytes()),
            None => self.null(),
        }
    }

    /// `boolean`.
    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.field(&[u8::from(value)])
    }

    /// `smallint`.
    pub fn int2(&mut self, value: i16) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// `integer`.
    pub fn int4(&mut self, value: i32) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// `bigint`, or a time in microseconds since 2000.
    pub fn int8(&mut self, value: i64) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// The same where it may be absent.
    pub fn int8_or_null(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(number) => self.int8(number),
            None => self.null(),
        }
    }

    /// `uuid`.
    pub fn uuid(&mut self, value: u128) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// `bigint[]`.
    pub fn int8s(&mut self, values: &[Option<i64>]) -> &mut Self {
        self.array(INT8, values.iter().map(|value| value.map(i64::to_be_bytes)), values.len())
    }

    /// `integer[]`.
    pub fn int4s(&mut self, values: &[i32]) -> &mut Self {
        self.array(INT4, values.iter().map(|value| Some(value.to_be_bytes())), values.len())
    }

    /// `uuid[]`.
    pub fn uuids(&mut self, values: &[u128]) -> &mut Self {
        self.array(UUID, values.iter().map(|value| Some(value.to_be_bytes())), values.len())
    }

    fn array<const N: usize>(
        &mut self,
        element: i32,
        values: impl Iterator<Item = Option<[u8; N]>>,
        length: usize,
    ) -> &mut Self {
        let start = self.bytes.len();
        self.null();
        let mut gaps = 0_i32;
        let dimensions = i32::from(length > 0);
        for number in [dimensions, 0, element] {
            self.bytes.extend_from_slice(&number.to_be_bytes());
        }
        if length > 0 {
            for number in [short(length), 1] {
                self.bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
        for value in values {
            if let Some(value) = value {
                self.field(&value);
            } else {
                gaps = 1;
                self.null();
            }
        }
        let total = short(self.bytes.len() - start - 4);
        self.bytes[start..start + 4].copy_from_slice(&total.to_be_bytes());
        self.bytes[start + 8..start + 12].copy_from_slice(&gaps.to_be_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_after_their_lengths() {
        let mut rows = Rows::default();
        rows.row(3).int2(-2).text(Some("é")).text(None);
        assert_eq!(rows.into_bytes(), [0, 3, 0, 0, 0, 2, 255, 254, 0, 0, 0, 2, 0xc3, 0xa9, 255, 255, 255, 255]);
    }

    #[test]
    fn arrays_say_what_they_hold() {
        let mut rows = Rows::default();
        rows.int4s(&[7]);
        let one = [0, 0, 0, 28, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7];
        assert_eq!(rows.into_bytes(), one);
        let mut rows = Rows::default();
        rows.uuids(&[]);
        assert_eq!(rows.into_bytes(), [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11, 134]);
        let mut rows = Rows::default();
        rows.int8s(&[None, Some(1)]);
        let bytes = rows.into_bytes();
        assert_eq!((&bytes[..4], &bytes[8..12]), (&[0, 0, 0, 36][..], &[0, 0, 0, 1][..]));
        assert_eq!(&bytes[24..], [255, 255, 255, 255, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
