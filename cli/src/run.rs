//! Carries out a command line.

use std::process::ExitCode;

use vfio_user_ism_server::profile;
use vfio_user_ism_server::record::events;

use crate::args::{Cli, Command, EventsCommand, ProfileCommand};
use crate::chosen::plan;
use crate::failure::Failure;
use crate::output::{pretty, print};
use crate::{ctl, rules_list, serve, shell};

/// Carries out a command line.
pub(crate) fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        None => serve::serve(&cli.serve).map_err(|failure| match failure {
            Failure::NoSocket => Failure::NoCommand,
            other => other,
        }),
        Some(Command::Serve(args)) => serve::serve(&args),
        Some(Command::Rules { format, profile }) => {
            let plan = plan(profile.as_deref())?;
            let functions = plan.functions.iter().map(|function| &function.config);
            let of: Vec<_> = functions
                .map(|config| (config.name.as_str(), &config.rules))
                .collect();
            print(&rules_list::list(&of, format))
        }
        Some(Command::Explain { id }) => match rules_list::explain(&id) {
            Some(text) => print(&text),
            None => Err(Failure::Usage(format!(
                "no rule {id:?}; `vfio-user-ism rules` lists all{}",
                rules_list::nearest(&id)
                    .map_or_else(String::new, |rule| format!(", perhaps {rule}"))
            ))),
        },
        Some(Command::Profile(ProfileCommand::Check { file })) => {
            let plan = profile::load(&file)?;
            let names: Vec<_> = plan
                .functions
                .iter()
                .map(|function| function.config.name.as_str())
                .collect();
            print(&format!(
                "{}: profile {:?}, functions {}\n",
                file.display(),
                plan.name,
                names.join(", ")
            ))
        }
        Some(Command::Profile(ProfileCommand::Schema)) => print(&pretty(&profile::schema())),
        Some(Command::Profile(ProfileCommand::Show { file })) => {
            print(&pretty(&plan(file.as_deref())?.show()))
        }
        Some(Command::Events(EventsCommand::Schema)) => print(&pretty(&events::schema())),
        Some(Command::Ctl(args)) => ctl::ctl(&args),
        Some(Command::Completions { shell }) => {
            print(&String::from_utf8_lossy(&shell::completions(shell)))
        }
        Some(Command::Man { folder }) => {
            shell::man(&folder).map_err(|source| Failure::System {
                what: format!("cannot write the manual pages to {}", folder.display()),
                source,
            })?;
            Ok(ExitCode::SUCCESS)
        }
        #[cfg(feature = "tools")]
        Some(Command::Tool(tool)) => crate::tools::run(tool),
    }
}
