//! The threads of the library take no signals: a program's handlers run on the program's own threads, and a client or an
//! instance that closes a connection while it is written to does not end the process with SIGPIPE.

/// Blocks on this thread, and on those that it starts, what may be sent to the process. What a defect raises is not
/// blocked, nor what profilers send.
#[cfg(unix)]
pub(crate) fn leave_to_program() {
    use std::{mem::MaybeUninit, ptr};

    const NOT_BLOCKED: [libc::c_int; 8] = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGPROF,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
    ];
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` fills the set, before the others look at it; none of them keeps it.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for signal in NOT_BLOCKED {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
    }
}

/// Windows has none.
#[cfg(not(unix))]
pub(crate) fn leave_to_program() {}

#[cfg(all(test, unix))]
mod tests {
    use std::{mem::MaybeUninit, ptr};

    use super::*;

    fn is_blocked(signal: libc::c_int) -> bool {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: without a new set this only writes the present one, which is looked at after that.
        unsafe {
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr()), 0);
            libc::sigismember(set.as_ptr(), signal) == 1
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no signals")]
    fn signals_are_for_other_threads_and_defects_are_not_hidden() {
        std::thread::spawn(|| {
            leave_to_program();
            for signal in [libc::SIGPIPE, libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1] {
                assert!(is_blocked(signal), "{signal}");
            }
            for signal in [libc::SIGSEGV, libc::SIGABRT, libc::SIGPROF] {
                assert!(!is_blocked(signal), "{signal}");
            }
            assert!(std::thread::spawn(|| is_blocked(libc::SIGPIPE)).join().unwrap());
        })
        .join()
        .unwrap();
    }
}
