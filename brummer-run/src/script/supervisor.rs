//! The task that owns the list of processes.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Command, InputError, Launcher, MAX_ENDED, MAX_RUNNING, Process, ProcessList, ProcessState, Request,
    ScriptMessage, StartError, Started, TypedInput, process::Event, task,
};
use crate::{console::Console, guard::link::Order, log::Logs};

/// Events that wait for the supervisor, which only writes them down.
const EVENTS: usize = 64;

/// Orders and input that wait for a script's task. There are two orders that matter; a third says nothing new.
const ORDERS: usize = 8;

/// How long the end waits for scripts beyond the time that they have. Their tasks have a bound of their own below it.
const END_MARGIN: Duration = Duration::from_secs(5);

pub(super) struct Supervisor {
    launcher: Launcher,
    logs: Logs,
    console: Console,
    tasks: TaskTracker,
    processes: Vec<Process>,
    list: watch::Sender<ProcessList>,
    /// Where the tasks of the scripts that run take their orders.
    orders: HashMap<u32, mpsc::Sender<ScriptMessage>>,
    events: mpsc::Sender<(u32, Event)>,
    happened: mpsc::Receiver<(u32, Event)>,
    last: u32,
}

impl Supervisor {
    pub(super) fn new(
        launcher: Launcher,
        logs: Logs,
        console: Console,
        tasks: TaskTracker,
        list: watch::Sender<ProcessList>,
    ) -> Self {
        let (events, happened) = mpsc::channel(EVENTS);
        let (processes, orders) = Default::default();
        Self { launcher, logs, console, tasks, processes, list, orders, events, happened, last: 0 }
    }

    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        stop: CancellationToken,
        kill: CancellationToken,
    ) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = kill.cancelled() => break,
                Some((process, event)) = self.happened.recv() => self.event(process, event).await,
                Some(request) = requests.recv() => match request {
                    Request::Start { command, answer } => self.start(command, answer).await,
                    Request::Stop { process, grace } => self.stop(process, Order::Stop(grace)),
                    Request::Input { process, input } => self.input(process, input),
                },
                else => break,
            }
        }
        // Requests are refused from here on.
        drop(requests);
        self.end(kill.cancelled()).await;
    }

    /// Ends everything: those that were started last first, as their work may need that of the others.
    async fn end(&mut self, kill: impl Future<Output = ()>) {
        let alive = self.processes.iter().rev().filter(|it| it.state.is_alive());
        let running: Vec<(u32, Duration)> = alive.map(|it| (it.number, it.grace)).collect();
        for (process, grace) in &running {
            self.stop(*process, Order::Stop(*grace));
        }
        let longest = running.iter().map(|(_, grace)| *grace).max().unwrap_or_default();
        let deadline = Instant::now() + longest + END_MARGIN;
        tokio::pin!(kill);
        let mut killed = false;
        while !self.orders.is_empty() {
            tokio::select! {
                biased;
                () = &mut kill, if !killed => {
                    killed = true;
                    for (process, _) in &running {
                        self.stop(*process, Order::Kill);
                    }
                }
                Some((process, event)) = self.happened.recv() => self.event(process, event).await,
                () = sleep_until(deadline) => {
                    self.console.note("warning: some processes could not be ended");
                    return;
                }
            }
        }
    }

    async fn start(&mut self, command: Command, answer: oneshot::Sender<Result<Started, StartError>>) {
        let alive = || self.processes.iter().filter(|process| process.state.is_alive());
        // One that is ending makes room in a moment; until then it holds its port.
        if let Some(same) = alive().find(|process| *process.name == *command.name) {
            let _ = answer.send(Ok(Started::Duplicate(same.clone())));
            return;
        }
        if alive().count() >= MAX_RUNNING {
            let _ = answer.send(Err(StartError::TooMany));
            return;
        }
        self.last += 1;
        let process = Process {
            number: self.last,
            id: format!("{}-{}", command.name, self.last).into(),
            name: command.name.as_str().into(),
            also: command.also.as_deref().map(Into::into),
            script: command.script.as_str().into(),
            launch: command.launch.clone(),
            grace: command.grace,
            started: super::now(),
            state: ProcessState::Pending,
        };
        let (id, name) = (process.id.clone(), process.name.clone());
        self.logs.begin(process.number, id, name, process.script.clone()).await;
        self.console.begin(process.number, process.name.clone());
        let (orders, incoming) = mpsc::channel(ORDERS);
        self.orders.insert(process.number, orders);
        let task = task::Task {
            process: process.number,
            command,
            launcher: self.launcher.clone(),
            logs: self.logs.clone(),
            console: self.console.clone(),
            events: self.events.clone(),
        };
        self.tasks.spawn(task.run(incoming));
        self.processes.push(process.clone());
        self.publish();
        let _ = answer.send(Ok(Started::New(process)));
    }

    fn stop(&mut self, process: u32, order: Order) {
        let Some(orders) = self.orders.get(&process) else { return };
        // A task that has its hands full of orders has one like this.
        let _ = orders.try_send(ScriptMessage::Order(order));
        if let Some(known) = self.processes.iter_mut().find(|known| known.number == process) {
            known.state = std::mem::replace(&mut known.state, ProcessState::Pending).on_stop();
        }
        self.publish();
    }

    fn input(&self, process: u32, input: TypedInput) {
        // What is dropped with its answer was not typed.
        if let Some(orders) = self.orders.get(&process)
            && let Err(TrySendError::Full(ScriptMessage::Input(input))) =
                orders.try_send(ScriptMessage::Input(input))
        {
            let _ = input.answer.send(Err(InputError::Full));
        }
    }

    async fn event(&mut self, process: u32, event: Event) {
        let ended = matches!(event, Event::Gone(_));
        if let Some(known) = self.processes.iter_mut().find(|known| known.number == process) {
            known.state =
                std::mem::replace(&mut known.state, ProcessState::Pending).on_event(event, super::now());
            if let Some(how) = known.ending() {
                self.console.note_about(process, how);
            }
        }
        if ended {
            self.orders.remove(&process);
            self.forget_oldest().await;
        }
        self.publish();
    }

    /// Lets go of what has ended longest ago.
    async fn forget_oldest(&mut self) {
        while self.processes.iter().filter(|process| !process.state.is_alive()).count() > MAX_ENDED {
            let oldest = self.processes.iter().filter(|it| !it.state.is_alive()).min_by_key(|it| it.ended());
            let Some(oldest) = oldest.map(|process| process.number) else { return };
            self.processes.retain(|process| process.number != oldest);
            self.logs.forget(oldest).await;
        }
    }

    fn publish(&self) {
        self.list.send_replace(Arc::new(self.processes.clone()));
    }
}
