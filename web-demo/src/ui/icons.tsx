import type { ReactNode } from 'react';

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 20 20"
      width="20"
      height="20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4M5 9l5-5 5 5" />
  </Icon>
);

export const StopIcon = () => (
  <Icon>
    <rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" stroke="none" />
  </Icon>
);

export const ArrowDownIcon = () => (
  <Icon>
    <path d="M10 4v12M5 11l5 5 5-5" />
  </Icon>
);

export const ChevronIcon = () => (
  <Icon>
    <path d="M8 5.5l4.5 4.5L8 14.5" />
  </Icon>
);

export const ToolIcon = () => (
  <Icon>
    <path
      d="M11.5 6.5a3.5 3.5 0 0 1 4.6-3.3l-2.1 2.1.7 2 2 .7 2.1-2.1"
      transform="translate(-1.5 .5)"
    />
    <path d="M10.3 9.7l-5.8 5.8" strokeWidth="2.4" />
  </Icon>
);

export const CopyIcon = () => (
  <Icon>
    <rect x="7" y="7" width="9" height="9" rx="2" />
    <path d="M13 4.5A1.5 1.5 0 0 0 11.5 3H5.5A2.5 2.5 0 0 0 3 5.5v6A1.5 1.5 0 0 0 4.5 13" />
  </Icon>
);

export const CheckIcon = () => (
  <Icon>
    <path d="M4.5 10.5l3.5 3.5 7.5-8" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="M5.5 5.5l9 9M14.5 5.5l-9 9" />
  </Icon>
);

export const PlusIcon = () => (
  <Icon>
    <path d="M10 4.5v11M4.5 10h11" />
  </Icon>
);

export const EditIcon = () => (
  <Icon>
    <path d="M12.5 4.5l3 3L7 16H4v-3z" />
  </Icon>
);

export const DeleteIcon = () => (
  <Icon>
    <path d="M4.5 6h11M8 6V4h4v2M6 6l.6 10h6.8L14 6" />
  </Icon>
);

export const RegenerateIcon = () => (
  <Icon>
    <path d="M15.5 10a5.5 5.5 0 1 1-1.7-4M15.5 3.5V7H12" />
  </Icon>
);

export const AttachIcon = () => (
  <Icon>
    <path d="M13.5 6.5v6.8a3.5 3.5 0 0 1-7 0V6a2.3 2.3 0 0 1 4.6 0v7a1.1 1.1 0 0 1-2.2 0V7" />
  </Icon>
);

export const FileIcon = () => (
  <Icon>
    <path d="M5.5 3h6l3.5 3.5V17h-9.5z" />
    <path d="M11.5 3v3.5H15" />
  </Icon>
);

export const SidebarIcon = () => (
  <Icon>
    <rect x="3" y="4" width="14" height="12" rx="2" />
    <path d="M8 4v12" />
  </Icon>
);

export const ActivityIcon = () => (
  <Icon>
    <path d="M2.5 10h3l2-5.5 4 11 2-5.5h4" />
  </Icon>
);

export const KeyboardIcon = () => (
  <Icon>
    <rect x="2.5" y="5.5" width="15" height="9" rx="1.5" />
    <path d="M5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M7 11.5h6" />
  </Icon>
);

export const SystemThemeIcon = () => (
  <Icon>
    <rect x="3" y="4" width="14" height="9.5" rx="1.5" />
    <path d="M7.5 17h5" />
  </Icon>
);

export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3" />
    <path d="M10 3v1.5M10 15.5V17M3 10h1.5M15.5 10H17M5.050 5.050l1.060 1.060M13.890 13.890l1.060 1.060M14.950 5.050l-1.060 1.060M6.110 13.890l-1.060 1.060" />
  </Icon>
);

export const MoonIcon = () => (
  <Icon>
    <path d="M15.5 11.800A6 6 0 0 1 8.200 4.5a6 6 0 1 0 7.300 7.300z" />
  </Icon>
);
