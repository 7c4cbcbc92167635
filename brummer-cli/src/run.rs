//! From arguments to an exit code: logger, runtime, the command itself.

use std::ffi::OsString;

use tokio::runtime::{Builder, Runtime};

use crate::{
    args::{self, Command, Invocation},
    colour, complete, config, descriptors, doctor,
    exit::{ExitStatus, Failure},
    install, instances, list, logging, manual, mcp, output, project, register, servers, watch,
};

/// Does what the arguments ask.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(status) = complete::answer(&arguments) {
        return status;
    }
    let invocation = match args::parse(arguments) {
        Ok(invocation) => invocation,
        Err(answer) => return say(&answer),
    };
    execute(invocation).unwrap_or_else(|failure| {
        output::note(&failure);
        failure.status()
    })
}

/// Prints what clap has to say: help and version are data, the rest is an error.
fn say(answer: &clap::Error) -> ExitStatus {
    if answer.use_stderr() {
        output::note(answer.to_string().trim_end());
        return ExitStatus::Usage;
    }
    match output::data(&answer.to_string()) {
        Ok(()) => ExitStatus::Success,
        Err(error) => {
            output::note(Failure::from(error));
            ExitStatus::Failure
        }
    }
}

fn execute(invocation: Invocation) -> Result<ExitStatus, Failure> {
    if let Command::Guard { terminal, program, arguments } = &invocation.command {
        // It has a runtime of its own, and its standard streams are those of a script.
        return project::guard(*terminal, program, arguments);
    }
    colour::choose(invocation.color);
    logging::start(&invocation.logs)?;
    let mut invocation = invocation;
    let (followed, servers) = configure(&mut invocation.command);
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        match invocation.command {
            Command::Mcp { hub, session } => {
                descriptors::make_room();
                let followed =
                    followed.unwrap_or_else(|| config::Followed { config: hub.clone(), here: None });
                mcp::serve(hub, session, (followed, servers)).await
            }
            Command::Announce { announcement, pid, wait } => {
                register::announce(announcement, pid, wait).await
            }
            Command::Wrap { announcement, program, arguments, wait } => {
                register::wrap(announcement, &program, &arguments, wait).await
            }
            Command::Share(share) => {
                descriptors::make_room();
                register::share(share).await
            }
            Command::Run(project) => project::run(project).await,
            Command::Supervise => {
                descriptors::make_room();
                servers::supervise().await
            }
            Command::Guard { .. } => Ok(ExitStatus::Success),
            Command::List { hub, json } => {
                descriptors::make_room();
                list::list(hub, json).await
            }
            Command::Install(request) => install::run(request).await,
            Command::Tools { hub, instance, json } => {
                instances::tools::tools((hub, servers), instance, json).await
            }
            Command::Call { hub, request } => instances::call::call((hub, servers), request).await,
            Command::Logs { hub, request } => instances::logs::logs((hub, servers), request).await,
            Command::Scripts { hub, request } => instances::scripts::scripts((hub, servers), request).await,
            Command::Wait { hub, request } => instances::wait::wait((hub, servers), request).await,
            Command::Watch { hub, json } => {
                descriptors::make_room();
                watch::watch(hub, json).await
            }
            Command::Doctor { hub, request } => doctor::doctor(hub, request).await,
            Command::Config { directories, request } => config::config(&directories, request),
            Command::Completions(shell) => complete::script(shell),
            Command::Man(directory) => manual::man(args::definition(), directory.as_deref()),
        }
    });
    // A read of standard input that is still under way must not hold up the end.
    runtime.shutdown_background();
    result
}

/// Tells the hub of a command what the configuration files say. What it was told before, and the servers that are to be started for it.
fn configure(command: &mut Command) -> (Option<config::Followed>, Vec<config::Wanted>) {
    let (is_doctor, is_brief) = (matches!(command, Command::Doctor { .. }), command.is_brief());
    let Some((hub, starts)) = command.hub_mut() else { return (None, Vec::new()) };
    let here = std::env::current_dir().ok();
    let followed = config::Followed { config: hub.clone(), here: here.clone() };
    let loaded = config::Loaded::read(&hub.directories, here.as_deref());
    for problem in loaded.problems().filter(|_| !is_doctor) {
        let problem = brummer_run::mask_setting(&problem);
        // These files are the user's own, and what is wrong in them may change the answer.
        if is_brief {
            output::note(format_args!("warning: {problem}"));
        } else {
            tracing::warn!("{problem}");
        }
    }
    let servers = loaded.apply(hub, starts);
    (Some(followed), servers)
}

/// One thread: every hand-over between threads costs more than what is done on either side of it.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
