//! `scripts_input`: answers a script that asks.

use brummer_hub::serve::{CallError, Offer};

use super::{
    Answer, App, Effect,
    arguments::{Input, Key},
    results::Entered,
    scripts, tool,
};
use crate::script::{self, MAX_INPUT};

pub(super) fn add(offer: &mut Offer, app: &App) {
    tool(
        offer,
        app,
        "scripts_input",
        Effect::Starts,
        "Types text or presses a key in a script, such as the answer to a question that scripts_status shows.",
        |app, input: Input, _| async move { enter(&app, &input).await },
    );
}

async fn enter(app: &App, input: &Input) -> Result<Answer<Entered>, CallError> {
    let (bytes, what) = match (&input.text, input.key) {
        (Some(text), None) => {
            let end = if input.enter.unwrap_or(true) { "\n" } else { "" };
            (format!("{text}{end}").into_bytes(), format!("{} characters", text.chars().count()))
        }
        (None, Some(Key::Interrupt | Key::EndOfInput)) if !app.has_keys => {
            return Err(CallError::new(
                "scripts of this run have no terminal, so this key means nothing to them: use scripts_stop, or start `run` with --pty",
            ));
        }
        (None, Some(key)) => (key.bytes().to_vec(), "the key".to_owned()),
        _ => return Err(CallError::new("give either `text` or `key`")),
    };
    if bytes.is_empty() {
        return Err(CallError::new("there is nothing to type: `text` is empty and `enter` is false"));
    }
    if bytes.len() > MAX_INPUT {
        return Err(CallError::new(format!("`text` is longer than {MAX_INPUT} bytes; type it in parts")));
    }
    let processes = app.scripts.list();
    let named = script::named(&processes, &input.process_id);
    let alive = |number: &&u32| processes.iter().any(|it| it.number == **number && it.state.is_alive());
    let Some(number) = named.iter().find(alive).or(named.first()).copied() else {
        return Err(scripts::unknown(&processes, &input.process_id));
    };
    let id = processes.iter().find(|it| it.number == number).map_or("", |it| &*it.id);
    let question = app.logs.asking().await.into_iter().find(|asked| asked.process == number);
    app.scripts
        .input(number, bytes.into())
        .await
        .map_err(|error| CallError::new(format!("{id}: {error}")))?;
    app.logs.answered(number).await;
    let message = match &question {
        Some(asked) => format!("typed {what} into {id}, which asked `{}`", asked.question),
        None => format!("typed {what} into {id}"),
    };
    let question = question.map(|asked| asked.question);
    let entered = Entered { process_id: id.to_owned(), question, message: message.clone() };
    Ok(Answer { structured: entered, text: message })
}

impl Key {
    /// What a terminal sends for it.
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Enter => b"\n",
            Self::Escape => b"\x1b",
            Self::Space => b" ",
            Self::Tab => b"\t",
            Self::Backspace => b"\x7f",
            Self::Up => b"\x1b[A",
            Self::Down => b"\x1b[B",
            Self::Right => b"\x1b[C",
            Self::Left => b"\x1b[D",
            Self::Interrupt => b"\x03",
            Self::EndOfInput => b"\x04",
        }
    }
}
