import { ActionIcon, Kbd, Menu, UnstyledButton, useMantineColorScheme, type MantineColorScheme } from "@mantine/core";
import { spotlight } from "@mantine/spotlight";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import type { Whoami } from "../api/client";
import { useExecutions, useSignOut } from "../api/queries";
import { AuditIcon, AutoIcon, BookIcon, MoonIcon, OverviewIcon, PersonIcon, RunIcon, SearchIcon, SunIcon } from "../parts/icons";
import { count } from "../state/format";
import { isOpen } from "../state/words";
import { Freshness } from "./Freshness";
import { Palette } from "./Palette";
import css from "./Shell.module.css";

const places = [
  { to: "/", label: "Overview", icon: OverviewIcon, here: (at: string) => at === "/" || at.startsWith("/regions") || at.startsWith("/services") },
  { to: "/runbooks", label: "Runbooks", icon: BookIcon, here: (at: string) => at.startsWith("/runbooks") },
  { to: "/executions", label: "Runs", icon: RunIcon, here: (at: string) => at.startsWith("/executions") },
  { to: "/audit", label: "Audit", icon: AuditIcon, here: (at: string) => at.startsWith("/audit") },
];

const themes: { value: MantineColorScheme; label: string; icon: typeof SunIcon }[] = [
  { value: "light", label: "Light", icon: SunIcon },
  { value: "dark", label: "Dark", icon: MoonIcon },
  { value: "auto", label: "As the system", icon: AutoIcon },
];

export function Shell({ me, children }: { me: Whoami; children: ReactNode }) {
  return (
    <>
      <a href="#main" className={css.skip}>
        Skip to the page
      </a>
      <header className={css.bar}>
        <div className={css.inner}>
          <Link href="/" className={css.brand} aria-label="Fairlead, overview">
            <Logo />
            <span>Fairlead</span>
          </Link>
          <Places />
          <div className={css.right}>
            <Freshness />
            <UnstyledButton className={css.search} onClick={spotlight.open} aria-label="Search and commands">
              <SearchIcon size={16} />
              <span className={css.searchText}>Go to…</span>
              <Kbd size="xs" className={css.searchText}>
                Ctrl K
              </Kbd>
            </UnstyledButton>
            <Theme />
            <Person me={me} />
          </div>
        </div>
      </header>
      <main id="main" className={css.main}>
        {children}
      </main>
      <Palette />
    </>
  );
}

function Places() {
  const [at] = useLocation();
  const runs = useExecutions();
  const open = runs.data?.executions.filter(isOpen).length ?? 0;
  return (
    <nav aria-label="Main" className={css.nav}>
      {places.map(({ to, label, icon: Icon, here }) => (
        <Link key={to} href={to} className={css.place} aria-current={here(at) ? "page" : undefined}>
          <Icon size={18} />
          <span>
            {label}
            {to === "/executions" && open > 0 && (
              <span className={css.badge}>
                {open}
                <span className="visually-hidden"> {count(open, "open run")}</span>
              </span>
            )}
          </span>
        </Link>
      ))}
    </nav>
  );
}

function Theme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = (themes.find((t) => t.value === colorScheme) ?? themes[2]!).icon;
  return (
    <Menu position="bottom-end" width={180} shadow="md">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" className={css.round} aria-label="Theme">
          <Icon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {themes.map(({ value, label, icon: Own }) => (
          <Menu.Item
            key={value}
            leftSection={<Own size={16} />}
            onClick={() => setColorScheme(value)}
            rightSection={value === colorScheme ? <span className="soft small">chosen</span> : undefined}
            fw={value === colorScheme ? 650 : 400}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Person({ me }: { me: Whoami }) {
  const signOut = useSignOut();
  const [, go] = useLocation();
  return (
    <Menu position="bottom-end" width={280} shadow="md">
      <Menu.Target>
        <UnstyledButton className={css.person} aria-label={`You are ${me.name}`}>
          <PersonIcon size={18} />
          <span className={css.personName}>{me.name}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={css.personCard}>
          <p className={css.personTitle}>{me.name}</p>
          <p className="soft small">{me.roles.join(", ") || "no role"}</p>
          {me.note && <p className="soft small">{me.note}</p>}
        </div>
        <Menu.Divider />
        {me.method === "local" ? (
          <Menu.Item onClick={() => go("/sign-in")}>Sign in with a token…</Menu.Item>
        ) : (
          <Menu.Item onClick={() => signOut.mutate()}>Sign out</Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#1f4e5f" />
      <circle cx="16" cy="16" r="8.5" fill="none" stroke="#fff" strokeWidth="3.2" />
      <path d="M3 26 26.5 5.5" stroke="#7fd1c7" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}
