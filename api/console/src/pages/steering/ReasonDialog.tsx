import { Button, Modal, SegmentedControl, TextInput, Textarea } from "@mantine/core";
import { useEffect, useId, useState, type ReactNode } from "react";
import { FaultNote } from "../../parts/FaultNote";
import { parseSpan, span as words } from "../../state/format";
import css from "./ReasonDialog.module.css";

export interface Given {
  reason: string;
  span: string;
}

/**
 * Every act of a person has a reason, some have an end, and those that take
 * something away are confirmed by typing its name.
 */
export function ReasonDialog({
  opened,
  onClose,
  title,
  act,
  explain,
  children,
  typed,
  withSpan,
  danger,
  blocked,
  error,
  busy,
  onAct,
  onSpan,
}: {
  opened: boolean;
  onClose: () => void;
  title: string;
  act: string; // what the button says: the verb and what it befalls
  explain?: readonly string[];
  children?: ReactNode;
  typed?: string; // what has to be typed to go on
  withSpan?: string; // the duration offered, "1h"; absent: the act has no end
  danger?: boolean;
  blocked?: boolean; // something outside this form stands against it
  error?: unknown;
  busy?: boolean;
  onAct: (given: Given) => void;
  onSpan?: (span: string) => void;
}) {
  const [reason, setReason] = useState("");
  const [confirm, setConfirm] = useState("");
  const [span, setSpan] = useState(withSpan ?? "");
  const form = useId();

  useEffect(() => {
    if (!opened) return;
    setReason("");
    setConfirm("");
    setSpan(withSpan ?? "");
  }, [opened, withSpan]);

  const spanMs = withSpan === undefined ? 0 : parseSpan(span);
  const ready =
    reason.trim() !== "" && (typed === undefined || confirm.trim() === typed) && Number.isFinite(spanMs) && !blocked && !busy;
  const offers = ["15m", "30m", "1h", "4h", "24h"];

  return (
    <Modal.Root opened={opened} onClose={onClose} size="lg" centered>
      <Modal.Overlay />
      <Modal.Content className={css.content!}>
        <div className={css.head}>
          <Modal.Title className={css.title!}>{title}</Modal.Title>
          <Modal.CloseButton aria-label="Close" size="lg" />
        </div>
        <Modal.Body className={css.body!}>
      <form
        id={form}
        className={css.form}
        onSubmit={(e) => {
          e.preventDefault();
          if (ready) onAct({ reason: reason.trim(), span: span.trim().replaceAll(" ", "") });
        }}
      >
        {explain && explain.length > 0 && (
          <ul className={css.explain} aria-label="What will happen">
            {explain.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        )}
        {children}
        {withSpan !== undefined && (
          <div className={css.span}>
            <SegmentedControl
              data={offers.map((value) => ({ value, label: words(parseSpan(value)) }))}
              value={offers.includes(span) ? span : ""}
              onChange={(value) => {
                setSpan(value);
                onSpan?.(value);
              }}
              aria-label="Offered durations"
            />
            <TextInput
              label="For how long"
              value={span}
              onChange={(e) => {
                setSpan(e.currentTarget.value);
                if (Number.isFinite(parseSpan(e.currentTarget.value))) onSpan?.(e.currentTarget.value);
              }}
              error={span !== "" && !Number.isFinite(spanMs) ? "Write it like 90s, 30m or 1h30m." : undefined}
              required
            />
          </div>
        )}
        <Textarea
          label="Reason"
          description="Kept in the audit trail, and shown to whoever reads this tonight."
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
          maxLength={500}
          autosize
          minRows={2}
          maxRows={5}
          required
          data-autofocus
        />
        {typed !== undefined && (
          <TextInput
            label={
              <>
                Type <code>{typed}</code> to confirm
              </>
            }
            value={confirm}
            onChange={(e) => setConfirm(e.currentTarget.value)}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
          />
        )}
        {error != null && <FaultNote error={error} />}
        <div className={css.buttons}>
          <Button variant="default" onClick={onClose}>
            Change nothing
          </Button>
          <Button type="submit" form={form} color={danger ? "danger" : undefined} disabled={!ready} loading={busy ?? false}>
            {act}
          </Button>
        </div>
      </form>
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
