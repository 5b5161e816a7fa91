//! One exception family for the one error of the core, variant by variant.

use goldthread_matching::CoreError as Refusal;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(goldthread._core, CoreError, PyException, "Base of what the core raises.");
create_exception!(
    goldthread._core,
    InputError,
    CoreError,
    "An argument breaks the contract of the function; `args[0]` names the argument."
);
create_exception!(goldthread._core, ModelError, CoreError, "A match model file is not valid; `args[0]` names the key.");
create_exception!(
    goldthread._core,
    SealError,
    CoreError,
    "A sealed value does not open under this key and context; `args[0]` is its row."
);

/// The exception of a refusal. No message carries a value that was passed.
pub(crate) fn exception(refusal: Refusal) -> PyErr {
    match refusal {
        Refusal::Input { argument, reason } => InputError::new_err((argument, reason)),
        Refusal::Model { key, reason } => ModelError::new_err((key, reason)),
        Refusal::Seal { index } => SealError::new_err((index,)),
        Refusal::Internal { place } => CoreError::new_err((place,)),
    }
}

/// Adds the exceptions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("CoreError", py.get_type::<CoreError>())?;
    module.add("InputError", py.get_type::<InputError>())?;
    module.add("ModelError", py.get_type::<ModelError>())?;
    module.add("SealError", py.get_type::<SealError>())
}
