//! What wakes the event loop of a program: a pair of sockets, on Windows an event, made when it is first asked for.

pub(crate) use self::system::Bell;

/// What the event loop of a program waits for: a file descriptor, for poll(), select() and the like.
#[cfg(not(windows))]
pub type bh_descriptor = i32;

/// On Windows the HANDLE of an event, for WaitForMultipleObjects() and the like.
#[cfg(windows)]
pub type bh_descriptor = *mut std::ffi::c_void;

#[cfg(unix)]
mod system {
    use std::{
        io::{self, Read, Write},
        os::{fd::AsRawFd, unix::net::UnixStream},
        sync::OnceLock,
    };

    use super::bh_descriptor;

    /// Two ends of a socket, once somebody wants to know.
    #[derive(Debug, Default)]
    pub(crate) struct Bell(OnceLock<(UnixStream, UnixStream)>);

    impl Bell {
        pub(crate) fn ring(&self) {
            if let Some((_, inner)) = self.0.get() {
                // A full socket is readable already.
                let _ = (&*inner).write(&[1]);
            }
        }

        pub(crate) fn empty(&self) {
            let mut bytes = [0; 256];
            if let Some((outer, _)) = self.0.get() {
                while matches!((&*outer).read(&mut bytes), Ok(read) if read > 0) {}
            }
        }

        pub(crate) fn descriptor(&self) -> io::Result<bh_descriptor> {
            if let Some((outer, _)) = self.0.get() {
                return Ok(outer.as_raw_fd());
            }
            let (outer, inner) = UnixStream::pair()?;
            outer.set_nonblocking(true)?;
            inner.set_nonblocking(true)?;
            // Another thread may have been faster; then its pair is used.
            let (outer, _) = self.0.get_or_init(|| (outer, inner));
            // Something may have been queued before there was a bell.
            self.ring();
            Ok(outer.as_raw_fd())
        }
    }
}

#[cfg(windows)]
mod system {
    use std::{
        io,
        os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
        ptr,
        sync::OnceLock,
    };

    use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

    use super::bh_descriptor;

    /// An event that stays set until it is reset, once somebody wants to know.
    #[derive(Debug, Default)]
    pub(crate) struct Bell(OnceLock<OwnedHandle>);

    impl Bell {
        pub(crate) fn ring(&self) {
            if let Some(event) = self.0.get() {
                // SAFETY: the handle is that of an event, and open for as long as this has it.
                unsafe { SetEvent(event.as_raw_handle()) };
            }
        }

        pub(crate) fn empty(&self) {
            if let Some(event) = self.0.get() {
                // SAFETY: as above.
                unsafe { ResetEvent(event.as_raw_handle()) };
            }
        }

        pub(crate) fn descriptor(&self) -> io::Result<bh_descriptor> {
            if let Some(event) = self.0.get() {
                return Ok(event.as_raw_handle());
            }
            // SAFETY: neither security attributes nor a name need be given.
            let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
            if event.is_null() {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: it was made just now, and nobody else closes it.
            let event = unsafe { OwnedHandle::from_raw_handle(event) };
            // Another thread may have been faster; then its event is used.
            let event = self.0.get_or_init(|| event);
            // Something may have been queued before there was a bell.
            self.ring();
            Ok(event.as_raw_handle())
        }
    }
}
