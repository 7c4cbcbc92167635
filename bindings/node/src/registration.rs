//! `register`.

use brummer_hub::registration::{Registration, RegistrationError};
use napi_derive::napi;

use crate::{
    emit::{code, thrown},
    options::{self, Announced},
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// An announcement. It is taken back by `remove`, or when it is collected.
#[napi]
pub struct NativeRegistration {
    id: String,
    file: String,
    registration: Option<Registration>,
}

#[napi]
impl NativeRegistration {
    /// Writes the file.
    ///
    /// # Errors
    /// When no hub would accept it, or it cannot be written.
    #[napi(factory, catch_unwind)]
    pub fn announce(options: String) -> Result<Self> {
        let options: Announced = options::read(&options)?;
        let registration = Registration::announce(options.into_options()?).map_err(|error| told(&error))?;
        Ok(Self {
            id: registration.id().to_string(),
            file: registration.file().display().to_string(),
            registration: Some(registration),
        })
    }

    /// Its id.
    #[napi(getter)]
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// Its file.
    #[napi(getter)]
    pub fn file(&self) -> String {
        self.file.clone()
    }

    /// Removes the file, once.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    #[napi(catch_unwind)]
    pub fn remove(&mut self) -> Result<()> {
        self.registration.take().map_or(Ok(()), Registration::remove).map_err(|error| told(&error))
    }
}

fn told(error: &RegistrationError) -> napi::Error<String> {
    match error {
        RegistrationError::Invalid(_) => thrown(code::INVALID_ARGUMENT, error),
        _ => thrown(code::IO, error),
    }
}
