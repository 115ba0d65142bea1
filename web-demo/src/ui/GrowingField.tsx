import {
  type ClipboardEvent,
  type KeyboardEvent,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
} from 'react';

type Props = {
  label: string;
  value: string;
  placeholder?: string;
  describedBy?: string;
  onChange: (value: string) => void;
  /** Enter without Shift, outside of an input method's word */
  onEnter: () => void;
  onKeyDown?: (event: KeyboardEvent<HTMLTextAreaElement>) => void;
  onPaste?: (event: ClipboardEvent) => void;
  field?: RefObject<HTMLTextAreaElement | null>;
  /** begins with the cursor behind the text */
  selectEnd?: boolean;
};

/** A field as tall as its text, up to what the style sheet allows. */
export function GrowingField({ field, ...props }: Props) {
  const own = useRef<HTMLTextAreaElement>(null);
  const ref = field ?? own;
  const { value, selectEnd } = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: measured again for each text
  useLayoutEffect(() => {
    const { current } = ref;
    if (!current) return;
    current.style.height = 'auto';
    current.style.height = `${current.scrollHeight}px`;
  }, [ref, value]);

  useEffect(() => {
    const end = selectEnd && ref.current?.value.length;
    if (end) ref.current?.setSelectionRange(end, end);
  }, [ref, selectEnd]);

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    // While an input method composes a word, Enter belongs to it.
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      props.onEnter();
    }
    props.onKeyDown?.(event);
  }

  return (
    <textarea
      ref={ref}
      rows={1}
      autoFocus
      value={value}
      placeholder={props.placeholder}
      aria-label={props.label}
      aria-describedby={props.describedBy}
      enterKeyHint="send"
      onChange={event => props.onChange(event.target.value)}
      onKeyDown={onKeyDown}
      onPaste={props.onPaste}
    />
  );
}
