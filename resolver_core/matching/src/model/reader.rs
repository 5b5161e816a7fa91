//! A TOML table that knows where it stands and what was read of it, so that errors name a key.

use toml::{Table, Value};

use crate::error::{CoreError, CoreResult};

pub(crate) struct Section {
    path: String,
    table: Table,
}

impl Section {
    pub(crate) fn root(text: &str) -> CoreResult<Self> {
        let table = text.parse::<Table>().map_err(|error| CoreError::model("model", error.message()))?;
        Ok(Self { path: String::new(), table })
    }

    /// Dotted name of a key of this section.
    pub(crate) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn refuse<T>(&self, name: &str, reason: &str) -> CoreResult<T> {
        Err(CoreError::model(self.key(name), reason))
    }

    fn take(&mut self, name: &str) -> CoreResult<Value> {
        self.table.remove(name).ok_or_else(|| CoreError::model(self.key(name), "missing"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub(crate) fn section(&mut self, name: &str) -> CoreResult<Self> {
        match self.take(name)? {
            Value::Table(table) => Ok(Self { path: self.key(name), table }),
            _ => self.refuse(name, "not a table"),
        }
    }

    pub(crate) fn sections(&mut self, name: &str) -> CoreResult<Vec<Self>> {
        let Value::Array(items) = self.take(name)? else { return self.refuse(name, "not an array of tables") };
        let path = self.key(name);
        let numbered = items.into_iter().enumerate().map(|(index, item)| match item {
            Value::Table(table) => Ok(Self { path: format!("{path}.{index}"), table }),
            _ => Err(CoreError::model(format!("{path}.{index}"), "not a table")),
        });
        numbered.collect()
    }

    pub(crate) fn text(&mut self, name: &str) -> CoreResult<String> {
        match self.take(name)? {
            Value::String(text) if !text.is_empty() => Ok(text),
            _ => self.refuse(name, "not a text"),
        }
    }

    pub(crate) fn texts(&mut self, name: &str) -> CoreResult<Vec<String>> {
        let Value::Array(items) = self.take(name)? else { return self.refuse(name, "not a list") };
        let texts = items.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            _ => self.refuse(name, "not a list of texts"),
        });
        texts.collect()
    }

    pub(crate) fn flag(&mut self, name: &str) -> CoreResult<bool> {
        match self.take(name)? {
            Value::Boolean(flag) => Ok(flag),
            _ => self.refuse(name, "not true or false"),
        }
    }

    /// An integer of a range.
    pub(crate) fn integer(&mut self, name: &str, least: i64, most: i64) -> CoreResult<i64> {
        match self.take(name)? {
            Value::Integer(number) if (least..=most).contains(&number) => Ok(number),
            Value::Integer(_) => self.refuse(name, &format!("not between {least} and {most}")),
            _ => self.refuse(name, "not an integer"),
        }
    }

    /// An integer of a range that fits the type.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self, name: &str, least: i64, most: i64) -> CoreResult<T> {
        let number = self.integer(name, least, most)?;
        T::try_from(number).map_err(|_| CoreError::model(self.key(name), "out of range"))
    }

    /// One integer of a range, or a list of two.
    pub(crate) fn integers(&mut self, name: &str, least: i64, most: i64) -> CoreResult<(i64, Option<i64>)> {
        let Some(Value::Array(items)) = self.table.get(name) else { return Ok((self.integer(name, least, most)?, None)) };
        let numbers: Vec<i64> = items.iter().filter_map(Value::as_integer).collect();
        match numbers[..] {
            [first, second] if items.len() == 2 && [first, second].iter().all(|one| (least..=most).contains(one)) => {
                self.table.remove(name);
                Ok((first, Some(second)))
            }
            _ => self.refuse(name, &format!("not two integers between {least} and {most}")),
        }
    }

    /// A finite number.
    pub(crate) fn real(&mut self, name: &str) -> CoreResult<f64> {
        match self.take(name)? {
            Value::Float(number) if number.is_finite() => Ok(number),
            Value::Integer(number) if i32::try_from(number).is_ok() => Ok(f64::from(i32::try_from(number).unwrap_or(0))),
            _ => self.refuse(name, "not a number"),
        }
    }

    /// A list of finite numbers.
    pub(crate) fn reals(&mut self, name: &str) -> CoreResult<Vec<f64>> {
        let Value::Array(items) = self.take(name)? else { return self.refuse(name, "not a list") };
        let numbers = items.into_iter().map(|item| match item {
            Value::Float(number) if number.is_finite() => Ok(number),
            Value::Integer(number) if i32::try_from(number).is_ok() => Ok(f64::from(i32::try_from(number).unwrap_or(0))),
            _ => self.refuse(name, "not a list of numbers"),
        });
        numbers.collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// Refuses whatever was not read.
    pub(crate) fn close(self) -> CoreResult<()> {
        match self.table.keys().next() {
            Some(name) => self.refuse(name, "unknown key"),
            None => Ok(()),
        }
    }
}
